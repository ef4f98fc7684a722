/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Forward and backward through the network. The matrix products are OpenBLAS's; everything else is
 * a loop. Parameters are drawn without the mathematics library, so that ranks on unlike systems
 * begin with equal bits.
 */
#include "model.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

static size_t layers_of(const tr_model *model)
{
    return model->shape.hidden_count + 1;
}

static const model_tensor *weight_of(const tr_model *model, size_t layer)
{
    return &model->tensors[(model->shape.alphabet ? 1 : 0) + 2 * layer];
}

static const model_tensor *bias_of(const tr_model *model, size_t layer)
{
    return weight_of(model, layer) + 1;
}

static void add_tensor(tr_model *model, const char *layer, size_t number, const char *part,
                       size_t count)
{
    model_tensor *tensor = &model->tensors[model->tensors_count++];
    if (number)
        snprintf(tensor->name, sizeof tensor->name, "%s%zu%s", layer, number, part);
    else
        snprintf(tensor->name, sizeof tensor->name, "%s%s", layer, part);
    tensor->first = model->parameters_count;
    tensor->count = count;
    model->parameters_count += count;
}

static void lay_out(tr_model *model)
{
    const model_shape *shape = &model->shape;
    size_t layers = layers_of(model);
    model->widths[0] = shape->inputs;
    if (shape->alphabet) {
        model->widths[0] *= shape->embed;
        add_tensor(model, "embed", 0, "", shape->alphabet * shape->embed);
    }
    for (size_t l = 0; l < layers; l++) {
        int last = l + 1 == layers;
        const char *name = last ? "output" : "hidden";
        model->widths[l + 1] = last ? shape->classes : shape->hidden[l];
        add_tensor(model, name, last ? 0 : l + 1, ".weight",
                   model->widths[l] * model->widths[l + 1]);
        add_tensor(model, name, last ? 0 : l + 1, ".bias", model->widths[l + 1]);
    }
}

/* Uniform in [-limit, limit). */
static void draw(float *to, size_t count, float limit, uint64_t seed, uint64_t stream)
{
    for (size_t i = 0; i < count; i++) {
        float u = (float)(random_bits(seed, stream, i, 0) >> 40) * 0x1p-23f - 1.0f;
        to[i] = u * limit;
    }
}

/* He's limits; the output layer begins near zero, so that the first loss is ln(classes). */
static void draw_parameters(tr_model *model, uint64_t seed)
{
    size_t layers = layers_of(model);
    if (model->shape.alphabet)
        draw(model->parameters, model->tensors[0].count, 1.0f, seed, layers);
    for (size_t l = 0; l < layers; l++) {
        const model_tensor *weight = weight_of(model, l);
        float limit = sqrtf((l ? 6.0f : 3.0f) / (float)model->widths[l]);
        if (l + 1 == layers)
            limit *= 0.1f;
        draw(model->parameters + weight->first, weight->count, limit, seed, l);
    }
}

int model_open(tr_model *out, const model_shape *shape, uint64_t seed)
{
    *out = (tr_model){ .shape = *shape };
    lay_out(out);
    out->parameters = calloc(out->parameters_count, sizeof(float));
    int good = out->parameters != NULL;
    for (size_t l = 0; l <= layers_of(out); l++) {
        out->values[l] = malloc(shape->batch * out->widths[l] * sizeof(float));
        out->slopes[l] = malloc(shape->batch * out->widths[l] * sizeof(float));
        good = good && out->values[l] && out->slopes[l];
    }
    if (!good) {
        model_close(out);
        return -1;
    }
    draw_parameters(out, seed);
    return 0;
}

void model_close(tr_model *model)
{
    free(model->parameters);
    for (size_t l = 0; l < MODEL_HIDDEN_MAX + 2; l++) {
        free(model->values[l]);
        free(model->slopes[l]);
    }
    memset(model, 0, sizeof *model);
}

/* Bytes to the network's input: looked up in the embedding, or pixels to about [-1, 1]. */
static void load_inputs(tr_model *model, const tr_batch *batch)
{
    size_t inputs = model->shape.inputs, embed = model->shape.embed;
    for (size_t b = 0; b < batch->count; b++) {
        float *to = model->values[0] + b * model->widths[0];
        for (size_t i = 0; i < inputs; i++) {
            uint8_t byte = batch->inputs[b][i];
            if (model->shape.alphabet)
                memcpy(to + i * embed, model->parameters + byte * embed, embed * sizeof(float));
            else
                to[i] = (float)byte / 127.5f - 1.0f;
        }
    }
}

static void activate(const tr_model *model, float *values, size_t count)
{
    if (model->shape.activation == ACTIVATION_RELU) {
        for (size_t i = 0; i < count; i++)
            values[i] = values[i] > 0 ? values[i] : 0;
    } else {
        for (size_t i = 0; i < count; i++)
            values[i] = tanhf(values[i]);
    }
}

static void forward(tr_model *model, const tr_batch *batch)
{
    size_t layers = layers_of(model), n = batch->count;
    load_inputs(model, batch);
    for (size_t l = 0; l < layers; l++) {
        size_t in = model->widths[l], out = model->widths[l + 1];
        const float *bias = model->parameters + bias_of(model, l)->first;
        for (size_t b = 0; b < n; b++)
            memcpy(model->values[l + 1] + b * out, bias, out * sizeof(float));
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)n, (blasint)out,
                    (blasint)in, 1, model->values[l], (blasint)in,
                    model->parameters + weight_of(model, l)->first, (blasint)out, 1,
                    model->values[l + 1], (blasint)out);
        if (l + 1 < layers)
            activate(model, model->values[l + 1], n * out);
    }
}

/* Loss of the batch from the last layer's values; the last slopes become softmax - one. */
static tr_score measure(tr_model *model, const tr_batch *batch)
{
    size_t layers = layers_of(model), classes = model->shape.classes;
    tr_score score = { 0 };
    for (size_t b = 0; b < batch->count; b++) {
        const float *value = model->values[layers] + b * classes;
        float *slope = model->slopes[layers] + b * classes;
        size_t best = 0;
        for (size_t c = 1; c < classes; c++)
            if (value[c] > value[best])
                best = c;
        double sum = 0;
        for (size_t c = 0; c < classes; c++) {
            slope[c] = expf(value[c] - value[best]);
            sum += slope[c];
        }
        for (size_t c = 0; c < classes; c++)
            slope[c] = (float)(slope[c] / sum) / (float)batch->count;
        uint8_t label = batch->labels[b];
        slope[label] -= 1.0f / (float)batch->count;
        score.loss += log(sum) - (double)(value[label] - value[best]);
        score.right += best == label;
    }
    return score;
}

tr_score model_score(tr_model *model, const tr_batch *batch)
{
    forward(model, batch);
    return measure(model, batch);
}

/* The slopes of a layer's sums from those of its outputs. */
static void deactivate(const tr_model *model, size_t layer, size_t count)
{
    const float *value = model->values[layer];
    float *slope = model->slopes[layer];
    if (model->shape.activation == ACTIVATION_RELU) {
        for (size_t i = 0; i < count; i++)
            slope[i] = value[i] > 0 ? slope[i] : 0;
    } else {
        for (size_t i = 0; i < count; i++)
            slope[i] *= 1.0f - value[i] * value[i];
    }
}

/* The gradient of a layer's own parameters. */
static void backward_parameters(tr_model *model, size_t l, size_t n, float *gradient)
{
    size_t in = model->widths[l], out = model->widths[l + 1];
    const float *slope = model->slopes[l + 1];
    float *bias = gradient + bias_of(model, l)->first;
    memset(bias, 0, out * sizeof(float));
    for (size_t b = 0; b < n; b++)
        for (size_t i = 0; i < out; i++)
            bias[i] += slope[b * out + i];
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)in, (blasint)out, (blasint)n, 1,
                model->values[l], (blasint)in, slope, (blasint)out, 0,
                gradient + weight_of(model, l)->first, (blasint)out);
}

/* The slopes of the layer below. */
static void backward_slopes(tr_model *model, size_t l, size_t n)
{
    size_t in = model->widths[l], out = model->widths[l + 1];
    const float *slope = model->slopes[l + 1];
    if (l || model->shape.alphabet)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)n, (blasint)in, (blasint)out,
                    1, slope, (blasint)out, model->parameters + weight_of(model, l)->first,
                    (blasint)out, 0, model->slopes[l], (blasint)in);
    if (l)
        deactivate(model, l, n * in);
}

static void backward_embedding(const tr_model *model, const tr_batch *batch, float *gradient)
{
    size_t inputs = model->shape.inputs, embed = model->shape.embed;
    memset(gradient, 0, model->tensors[0].count * sizeof(float));
    for (size_t b = 0; b < batch->count; b++)
        for (size_t i = 0; i < inputs; i++) {
            const float *slope = model->slopes[0] + b * model->widths[0] + i * embed;
            float *to = gradient + batch->inputs[b][i] * embed;
            for (size_t k = 0; k < embed; k++)
                to[k] += slope[k];
        }
}

tr_score model_gradient(tr_model *model, const tr_batch *batch, float *gradient, model_ready ready,
                        void *context)
{
    forward(model, batch);
    tr_score score = measure(model, batch);
    for (size_t l = layers_of(model); l-- > 0;) {
        backward_parameters(model, l, batch->count, gradient);
        ready(context, (size_t)(bias_of(model, l) - model->tensors));
        ready(context, (size_t)(weight_of(model, l) - model->tensors));
        backward_slopes(model, l, batch->count);
    }
    if (model->shape.alphabet) {
        backward_embedding(model, batch, gradient);
        ready(context, 0);
    }
    return score;
}
