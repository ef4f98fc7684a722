/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Optimizers against their papers' formulas in double over a hundred steps, closed forms, and what
 * they promise: the bits do not depend on how elements are cut into calls, and nothing becomes NaN
 * or infinite. */
#include "server/optimize.h"
#include "tests/samples.h"

#include <float.h>

enum { COUNT = 200, STEPS = 100 };

struct optimizer {
    const struct gw_optimizer *row;
    struct gw_values values;
    uint64_t steps;
    float w[COUNT], state[2][COUNT];
};

static struct optimizer parse(const char *spec)
{
    struct optimizer o = { 0 };
    struct gw_error error;
    gw_status s = gw_optimizer_parse(&o.row, &o.values, spec, NULL, 0, &error);
    ck_assert_msg(!s, "%s: %s", spec, error.text);
    return o;
}

/* One step in calls of `cut` elements. */
static void step(struct optimizer *o, const float *gradient, size_t cut)
{
    float g[COUNT];
    double squares[2] = { 0, 0 };
    struct gw_step now = { .values = &o->values, .rate = o->values.number[0], .step = ++o->steps };
    memcpy(g, gradient, sizeof g);
    for (size_t at = 0; at < COUNT; at += cut) {
        size_t n = gw_min_size(cut, COUNT - at);
        gw_f32 *state[2] = { (gw_f32 *)o->state[0] + at, (gw_f32 *)o->state[1] + at };
        gw_f32 *w = (gw_f32 *)o->w + at;
        if (o->row->measure)
            o->row->measure(&now, n, w, g + at, state, squares);
        else
            o->row->step(&now, n, w, g + at, state);
    }
    if (!o->row->measure)
        return;
    now.trust = o->row->trust(&now, squares);
    for (size_t at = 0; at < COUNT; at += cut)
        o->row->move(&now, gw_min_size(cut, COUNT - at), (gw_f32 *)o->w + at, g + at);
}

static void gradient_of(float *g, uint64_t step)
{
    for (uint64_t i = 0; i < COUNT; i++)
        g[i] = (float)sample_gauss(step, i);
}

/* ---- the papers' formulas -------------------------------------------------------------------- */

struct slow {
    double w[COUNT], m[COUNT], v[COUNT];
};

typedef void slow_step(struct slow *s, const float *g, int t);

static void slow_none(struct slow *s, const float *g, int t)
{
    (void)t;
    for (int i = 0; i < COUNT; i++)
        s->w[i] = (double)g[i];
}

static void slow_sgd(struct slow *s, const float *g, int t)
{
    (void)t;
    for (int i = 0; i < COUNT; i++)
        s->w[i] -= 0.05 * ((double)g[i] + 0.1 * s->w[i]);
}

static void slow_momentum(struct slow *s, const float *g, int t)
{
    (void)t;
    for (int i = 0; i < COUNT; i++) {
        s->m[i] = 0.8 * s->m[i] + ((double)g[i] + 0.1 * s->w[i]);
        s->w[i] -= 0.05 * s->m[i];
    }
}

static void slow_nesterov(struct slow *s, const float *g, int t)
{
    (void)t;
    for (int i = 0; i < COUNT; i++) {
        double d = (double)g[i] + 0.1 * s->w[i];
        s->m[i] = 0.8 * s->m[i] + d;
        s->w[i] -= 0.05 * (d + 0.8 * s->m[i]);
    }
}

static double slow_direction(struct slow *s, int i, double g, int t)
{
    s->m[i] = 0.9 * s->m[i] + 0.1 * g;
    s->v[i] = 0.99 * s->v[i] + 0.01 * g * g;
    return s->m[i] / (1 - pow(0.9, t)) / (sqrt(s->v[i] / (1 - pow(0.99, t))) + 1e-4);
}

static void slow_adam(struct slow *s, const float *g, int t)
{
    for (int i = 0; i < COUNT; i++)
        s->w[i] -= 0.01 * slow_direction(s, i, (double)g[i] + 0.1 * s->w[i], t);
}

static void slow_adamw(struct slow *s, const float *g, int t)
{
    for (int i = 0; i < COUNT; i++) {
        double r = slow_direction(s, i, (double)g[i], t);
        s->w[i] -= 0.01 * 0.1 * s->w[i] + 0.01 * r;
    }
}

static void slow_lamb(struct slow *s, const float *g, int t)
{
    double u[COUNT], of_w = 0, of_u = 0;
    for (int i = 0; i < COUNT; i++) {
        u[i] = slow_direction(s, i, (double)g[i], t) + 0.1 * s->w[i];
        of_w += s->w[i] * s->w[i];
        of_u += u[i] * u[i];
    }
    double trust = of_w > 0 && of_u > 0 ? sqrt(of_w / of_u) : 1;
    for (int i = 0; i < COUNT; i++)
        s->w[i] -= 0.01 * trust * u[i];
}

static void slow_adagrad(struct slow *s, const float *g, int t)
{
    (void)t;
    for (int i = 0; i < COUNT; i++) {
        double d = (double)g[i] + 0.1 * s->w[i];
        s->v[i] += d * d;
        s->w[i] -= 0.05 * d / (sqrt(s->v[i]) + 1e-4);
    }
}

#define BETAS ",beta1=0.9,beta2=0.99,epsilon=1e-4,weight_decay=0.1"
static const struct {
    const char *spec;
    slow_step *step;
} table[] = {
    { "none", slow_none },
    { "sgd:lr=0.05,weight_decay=0.1", slow_sgd },
    { "momentum:lr=0.05,momentum=0.8,weight_decay=0.1", slow_momentum },
    { "nesterov:lr=0.05,momentum=0.8,weight_decay=0.1", slow_nesterov },
    { "adam:lr=0.01" BETAS, slow_adam },
    { "adamw:lr=0.01" BETAS, slow_adamw },
    { "lamb:lr=0.01" BETAS, slow_lamb },
    { "adagrad:lr=0.05,epsilon=1e-4,weight_decay=0.1", slow_adagrad },
};
enum { ROWS = sizeof table / sizeof *table };

START_TEST(all_are_their_papers_formulas)
{
    struct optimizer o = parse(table[_i].spec);
    struct slow s = { { 0 } };
    float g[COUNT];
    for (uint64_t i = 0; i < COUNT; i++)
        s.w[i] = (double)(o.w[i] = (float)sample_gauss(99, i));
    for (int t = 1; t <= STEPS; t++) {
        gradient_of(g, (uint64_t)t);
        step(&o, g, COUNT);
        table[_i].step(&s, g, t);
    }
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(fabs((double)o.w[i] - s.w[i]) <= 2e-5 * (1 + fabs(s.w[i])),
                      "%s: element %d is %.9g after %d steps, expected %.9g: tests/test_optimizers",
                      table[_i].spec, i, (double)o.w[i], STEPS, s.w[i]);
}
END_TEST

START_TEST(bits_do_not_depend_on_cuts)
{
    static const size_t cuts[] = { 1, 7, 64, 100, 199 };
    for (int k = 0; k < 5; k++) {
        struct optimizer whole = parse(table[_i].spec), cut = parse(table[_i].spec);
        float g[COUNT];
        for (uint64_t t = 1; t <= 5; t++) {
            gradient_of(g, t);
            step(&whole, g, COUNT);
            step(&cut, g, cuts[k]);
        }
        ck_assert_msg(memcmp(whole.w, cut.w, sizeof cut.w) == 0 &&
                          memcmp(whole.state, cut.state, sizeof cut.state) == 0,
                      "%s in calls of %zu", table[_i].spec, cuts[k]);
    }
}
END_TEST

/* Gradients and values as large as floats go: all stays finite, state too. */
START_TEST(nothing_becomes_nan_or_infinite)
{
    static const char *const extreme[] = { "sgd:lr=1e30,weight_decay=1e30",
                                           "momentum:lr=1e30,momentum=1",
                                           "nesterov:lr=1e30,momentum=1",
                                           "adam:lr=1e30,epsilon=0",
                                           "adamw:lr=1e30,epsilon=0,weight_decay=1e30",
                                           "lamb:lr=1e30,epsilon=0",
                                           "adagrad:lr=1e30,epsilon=0",
                                           "lamb:weight_decay=1e30" };
    struct optimizer o = parse(extreme[_i]);
    float g[COUNT];
    for (uint64_t i = 0; i < COUNT; i++)
        o.w[i] = (float)sample_gauss(1, i) * (i % 2 ? 1e38f : 0);
    for (uint64_t t = 1; t <= 40; t++) {
        for (uint64_t i = 0; i < COUNT; i++)
            g[i] = i % 5 == 0 ? 0 : (gw_mix64(t * COUNT + i) % 8 ? 1 : -1) * FLT_MAX;
        step(&o, g, COUNT);
        for (int i = 0; i < COUNT; i++)
            ck_assert_msg(gw_is_finite(o.w[i]) && gw_is_finite(o.state[0][i]) &&
                              gw_is_finite(o.state[1][i]),
                          "%s: element %d after %llu steps is %g, state %g, %g", extreme[_i], i,
                          (unsigned long long)t, (double)o.w[i], (double)o.state[0][i],
                          (double)o.state[1][i]);
    }
}
END_TEST

/* A constant gradient: adam and adamw step by lr; momentum's velocity is a geometric sum; adagrad's
 * t-th step is lr / sqrt(t). */
START_TEST(closed_forms)
{
    struct optimizer adam = parse("adam:lr=0.01,epsilon=0"),
                     heavy = parse("momentum:lr=1,momentum=0.5");
    struct optimizer ada = parse("adagrad:lr=1,epsilon=0"),
                     decay = parse("adamw:lr=0.5,weight_decay=1");
    float g[COUNT], zero[COUNT] = { 0 };
    double roots = 0;
    for (int i = 0; i < COUNT; i++)
        g[i] = i % 2 ? 3.0f : -0.25f;
    decay.w[0] = 1;
    for (int t = 1; t <= 20; t++) {
        step(&adam, g, COUNT);
        step(&heavy, g, COUNT);
        step(&ada, g, COUNT);
        step(&decay, zero, COUNT);
        roots += 1 / sqrt(t);
        double velocity_sum = 2 * t - 2 * (1 - pow(0.5, t)); /* of 2 - 2^(1-k), k = 1..t */
        ck_assert(fabs((double)adam.w[1] + 0.01 * t) < 1e-6);
        ck_assert(fabs((double)heavy.w[1] + 3 * velocity_sum) < 1e-4);
        ck_assert(fabs((double)ada.w[0] - roots) < 1e-5);
        ck_assert((double)decay.w[0] == pow(0.5, t));
    }
}
END_TEST

START_TEST(specs_are_canonical_or_refused)
{
    const struct gw_optimizer *row;
    struct gw_values values;
    struct gw_error error;
    char text[128];
    ck_assert_int_eq(gw_optimizer_parse(&row, &values, "sgd", text, sizeof text, &error), GW_OK);
    ck_assert_str_eq(text, "sgd:lr=0.1,weight_decay=0");
    ck_assert_int_eq(gw_optimizer_parse(&row, &values, "lamb", text, sizeof text, &error), GW_OK);
    ck_assert_str_eq(text, "lamb:lr=0.001,beta1=0.9,beta2=0.999,epsilon=1e-06,weight_decay=0.01");
    static const char *const wrong[] = { "adma", "sgd:beta1=1", "adam:beta1=1", "none:lr=1" };
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(gw_optimizer_parse(&row, &values, wrong[i], text, sizeof text, &error),
                         GW_ESPEC);
    for (int i = 0; i < ROWS; i++) {
        struct optimizer o = parse(gw_optimizers[i]->name);
        ck_assert(o.row == gw_optimizers[i]);
        ck_assert(!o.row->params[0].key || strcmp(o.row->params[0].key, "lr") == 0);
        ck_assert((o.row->step != NULL) != (o.row->measure != NULL));
    }
    ck_assert_ptr_null(gw_optimizers[ROWS]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizers");
    TCase *tests = tcase_create("optimizers");
    tcase_add_loop_test(tests, all_are_their_papers_formulas, 0, ROWS);
    tcase_add_loop_test(tests, bits_do_not_depend_on_cuts, 0, ROWS);
    tcase_add_loop_test(tests, nothing_becomes_nan_or_infinite, 0, 8);
    tcase_add_test(tests, closed_forms);
    tcase_add_test(tests, specs_are_canonical_or_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
