/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * The model: an optional embedding of the input bytes, fully connected hidden layers, and a softmax
 * over the classes (Bengio et al. 2003, for text). All parameters stand in one array; `tensors`
 * names the parts of it, and a gradient has the same shape.
 */
#ifndef TRAIN_MODEL_H
#define TRAIN_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define MODEL_HIDDEN_MAX  8
#define MODEL_TENSORS_MAX (1 + 2 * (MODEL_HIDDEN_MAX + 1))

typedef enum tr_activation { ACTIVATION_TANH, ACTIVATION_RELU } tr_activation;

typedef struct model_shape {
    size_t inputs;   /* bytes of an example */
    size_t alphabet; /* values of an input byte that are embedded; 0: bytes are taken as numbers */
    size_t embed;    /* numbers per embedded byte */
    size_t hidden[MODEL_HIDDEN_MAX];
    size_t hidden_count;
    size_t classes;
    tr_activation activation;
    size_t batch; /* the most examples in one call */
} model_shape;

typedef struct model_tensor {
    char name[32]; /* "embed", "hidden1.weight", "hidden1.bias", ..., "output.bias" */
    size_t first, count;
} model_tensor;

typedef struct tr_model {
    model_shape shape;
    float *parameters;
    size_t parameters_count;
    model_tensor tensors[MODEL_TENSORS_MAX];
    size_t tensors_count;
    size_t widths[MODEL_HIDDEN_MAX + 2]; /* of the network's input, hidden layers, output */
    float *values[MODEL_HIDDEN_MAX + 2]; /* batch x width: what each layer gave */
    float *slopes[MODEL_HIDDEN_MAX + 2]; /* batch x width: the loss's derivative by values */
} tr_model;

/* A batch: pointers to the inputs of the examples, and their labels. */
typedef struct tr_batch {
    const uint8_t *const *inputs;
    const uint8_t *labels;
    size_t count;
} tr_batch;

/* Sums over the examples of a batch. */
typedef struct tr_score {
    double loss; /* natural logarithm */
    double right;
} tr_score;

/* Make a model with random parameters, the same for the same seed. Returns 0, -1 without memory. */
int model_open(tr_model *out, const model_shape *shape, uint64_t seed);
void model_close(tr_model *model);

/* Run the batch forward. */
tr_score model_score(tr_model *model, const tr_batch *batch);

/* Run the batch forward and back: `gradient` gets the derivatives of the mean loss. `ready` is told
 * the position of each tensor as soon as its part of the gradient is final, last layer first. */
typedef void (*model_ready)(void *context, size_t tensor);
tr_score model_gradient(tr_model *model, const tr_batch *batch, float *gradient, model_ready ready,
                        void *context);

#endif
