/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a plan is, inside. */
#ifndef GW_COLLECTIVES_PLAN_H
#define GW_COLLECTIVES_PLAN_H

#include <gradwire/plan.h>

#include "collectives/algorithms.h"
#include "collectives/choice.h"
#include "collectives/graph.h"
#include "collectives/layout.h"
#include "collectives/pool.h"
#include "collectives/progress.h"
#include "comm/comm.h"
#include "comm/segment.h"
#include "compress/codec.h"

struct gw_plan_tensor {
    char *name, *spec; /* canonical */
    char *owner_spec;  /* of stage 1: the core, under ef+ if `spec` is */
    size_t count;
    struct gw_codec *codec; /* what this rank sends; decodes everything */
};

struct gw_plan_slot {
    size_t offset, capacity, length; /* bytes of the arena */
};

enum gw_step_status { GW_STEP_WAITS, GW_STEP_UNDER_WAY, GW_STEP_DONE };

enum gw_plan_state { GW_PLAN_IDLE, GW_PLAN_RUNNING, GW_PLAN_ENDED };

struct gw_scratch { /* of a MERGE: a place per rank each */
    const void **from;
    size_t *bytes, *at;
};

struct gw_plan {
    struct gw_runnable runnable; /* first: the comm knows the plan by it */
    struct gw_pool_job job;      /* and the pool by this */
    gw_comm *comm;
    gw_comm *native; /* of `native` plans: the transport orders its own collectives per comm */
    unsigned channel;

    /* what was asked */
    enum gw_collective collective;
    gw_type type;
    gw_operation operation;
    struct gw_plan_tensor *tensors;
    int tensors_count;
    int root;
    size_t block_count; /* reduce_scatter, allgather: elements per rank */
    uint64_t seed;
    size_t piece_count;
    gw_nonfinite nonfinite;
    bool unshared;  /* shared memory could not be had */
    bool by_tensor; /* gw_request */
    bool one_sided_ef;
    bool threaded; /* the progress thread is the executor */
    int64_t timeout_ns;
    int threads;        /* that compute at most, the executor's among them */
    int fewest_threads; /* of any rank */
    gw_gate gate_mode;  /* AUTO, OFF or LIVE */
    unsigned gate_every;

    /* what was made of it */
    const struct gw_algorithm_row *algorithm;
    char reason[GW_ERROR_TEXT];
    double predicted_s; /* of a run; by assumed rates where nothing was measured */
    size_t made_piece_count;
    struct gw_problem problem;
    struct gw_layout layout;
    struct gw_codec **owners; /* by segment: stage 1, where some step re-encodes it; then, again by
                               * segment: stage 2, where one carries it from node to node */
    int owners_count;
    int copies; /* in shared memory, of this rank's input */
    struct gw_step_list list;
    struct gw_graph graph;
    struct gw_plan_slot *slots;
    uint8_t *arena;
    uint8_t *sum;     /* the workspace: the whole layout, or the owned block */
    size_t sum_first; /* element of the layout at sum[0] */
    size_t sum_count;
    struct gw_shared *shared; /* holds `sum` then, behind this rank's copies; NULL: none */
    size_t copy_bytes;
    int *members; /* problem.members */
    size_t side_floats;
    float *side;
    struct gw_pool *pool; /* NULL: there is too little to share */
    bool joined;          /* the progress thread */
    bool tuned;           /* not by the model, but by a tuning file */

    /* The run. The executor is whoever is inside the comm (gw_comm_enter) and moves this run
     * forward: it alone touches messages. All the rest is guarded by the pool's lock, if there is
     * a pool. */
    atomic_int state; /* enum gw_plan_state */
    const void **in;
    void **out;
    struct gw_op **ops; /* by step: under way */
    int *lanes;         /* by chain of messages: its first step that is not done, -1: none */
    int *waits;         /* by step: how many it still waits for */
    uint8_t *status;    /* by step: enum gw_step_status */
    int *own;           /* steps that are ready, for the executor alone; each comes once a run */
    int own_first, own_end;
    int *held; /* sends that wait for others to be taken (messages.c) */
    int held_first, held_end, sending;
    int *ready; /* steps of work that are ready: those on input from the front, first come */
    int ready_first, ready_end;
    int arrived; /* first served; those on what arrived from the back, last come first */
    int left;    /* steps that are not done */
    int *polled; /* under way */
    int polled_count;
    int failed_step;            /* what this run failed in */
    struct gw_scratch *scratch; /* by thread at work: 0 is the executor's */
    int *free_scratch;
    int busy;      /* threads of the pool that are in a step of this plan */
    int native_at; /* NATIVE: segments handed to the transport so far */
    _Atomic int64_t last_progress_ns;
    bool committed;
    struct gw_error failure; /* of this run; status GW_OK: none */
    uint8_t abort[GW_HEADER_BYTES + GW_ERROR_TEXT];
    size_t abort_bytes;
    bool abort_out; /* it is on its way to another rank */
    bool stops;     /* no thread takes a step any more */

    struct gw_gating *gate;  /* it may send raw (gate.h); NULL: it never does */
    struct gw_pins *pins;    /* what a file says of it, or is told (pins.h); or NULL */
    const char *no_gate;     /* why not; "": for no reason worth words */
    struct gw_plan *wrapped; /* of a gate's twin: whose wrappers make its input; else NULL */

    struct gw_plan_trace *trace; /* NULL: none is asked for */
    struct gw_stats stats;
    double own_work_s; /* of the executor, in this run */
    int64_t started_ns;
    struct gw_error error; /* of public calls */

    /* Tests put failures here; NULL otherwise. */
    gw_status (*fault)(void *context, const struct gw_step *step);
    void *fault_context;
};

/* Where a segment's elements stand, counted from its codec's unit. */
size_t gw_plan_unit_first(const struct gw_plan *plan, const struct gw_segment *segment);

/* Addresses of a segment's elements. */
const void *gw_plan_input(const struct gw_plan *plan, const struct gw_segment *segment);
void *gw_plan_output(const struct gw_plan *plan, const struct gw_segment *segment);
void *gw_plan_sum(const struct gw_plan *plan, const struct gw_piece *piece,
                  const struct gw_segment *segment);

/* ---- work.c: what the steps that compute do. GW_OK or the failure, with words. Steps on different
 * pieces may run at the same time, each with a scratch of its own. ------------------------------*/
gw_status gw_plan_work(struct gw_plan *plan, const struct gw_step *step, struct gw_scratch *scratch,
                       struct gw_error *error);
/* Begin a POLLED step, also in a run that has failed: others may wait for it. */
gw_status gw_plan_begin(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error);
/* Has what a POLLED step waits for come? GW_PENDING, GW_OK, or the failure. Called very often. */
gw_status gw_plan_poll(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error);
/* A message has come into a slot: is it what it should be? */
gw_status gw_plan_accept(struct gw_plan *plan, const struct gw_step *step, size_t bytes,
                         struct gw_error *error);

/* ---- plan.c, build.c, agree.c
 * -------------------------------------------------------------------------*/
/* The codecs, and the problem that they pose. */
gw_status gw_plan_open(struct gw_plan *plan, struct gw_error *error);
/* Who stands where on which node, if all nodes have the same number of ranks; allocates members. */
gw_status gw_plan_describe_nodes(struct gw_plan *plan);
/* The choice, the steps, the memory. */
gw_status gw_plan_build(struct gw_plan *plan, const char *algorithm, struct gw_error *error);
/* Compare with the other ranks; `local` is how far this rank got, with words in *error. */
gw_status gw_plan_agree(struct gw_plan *plan, gw_status local, struct gw_error *error);

/* The spec that `options` give a tensor of this name; and what an owner runs under a canonical
 * spec: no momentum and no clipping again, but error feedback of its own, unless one-sided. It is
 * never longer than `spec`. */
const char *gw_plan_spec_of(const gw_options *options, const char *name);
void gw_plan_owner_spec(const char *spec, bool one_sided, char *out, size_t capacity);

/* ---- predict.c: a plan whose codecs are open and what it would cost
 * ----------------------------*/

/* Collective: measure what the plan's choice depends on, if it is open at all; with `compare` also
 * what gw_plan_predict needs for that spec. Every rank calls it, `local` is how far this one got,
 * with words in *error; returns it if it is an error. */
gw_status gw_plan_measure(struct gw_plan *plan, const char *algorithm, const char *compare,
                          gw_status local, struct gw_error *error);

/* The choice as things are. `reason` as in gw_choose. */
gw_status gw_plan_choose(struct gw_choice *out, const struct gw_plan *plan, const char *algorithm,
                         char *reason, size_t capacity, struct gw_error *error);

/* What it would be, and what a run would take, if all tensors stood under `spec` (canonical).
 * Local. `algorithm` "" or NULL: the cheapest. Errors: as gw_choose. */
gw_status gw_plan_predict(struct gw_choice *out, const struct gw_plan *plan, const char *spec,
                          const char *algorithm, struct gw_error *error);

/* The problem of a plan with its codecs, or with `instead` for all tensors. */
void gw_plan_describe(struct gw_problem *out, size_t *side_floats, const struct gw_plan *plan,
                      const struct gw_codec *instead);

struct gw_request { /* the arguments of gw_plan_* in one place */
    enum gw_collective collective;
    const gw_tensor *tensors;
    size_t tensors_count, block_count;
    gw_type type;
    gw_operation operation;
    const gw_options *options;
    bool once;                /* a one-call form: no state */
    bool inner;               /* of another plan: no gate */
    gw_plan *wrapped;         /* of a twin: its gated plan */
    bool pinned;              /* algorithm and pieces are a file's, not the caller's */
    const char *const *specs; /* of each tensor, in place of the options'; or NULL */
    bool by_tensor; /* state must not depend on how the layout is cut: a reducer's bucket */
};

gw_status gw_plan_create(gw_plan **out, gw_comm *comm, const struct gw_request *request);
/* Without a gate's decision. */
gw_status gw_plan_create_plain(gw_plan **out, gw_comm *comm, const struct gw_request *request);
/* A request for one tensor of `count` elements; `tensor` is filled in. */
gw_status gw_plan_create_one(gw_plan **out, gw_comm *comm, struct gw_request request, size_t count);

/* ---- execute.c: moves runs forward ------------------------------------------------------------*/

/* The lock of what the plan shares with the pool's threads. */
static inline void gw_plan_lock(const struct gw_plan *plan)
{
    if (plan->pool)
        gw_pool_lock(plan->pool);
}

static inline void gw_plan_unlock(const struct gw_plan *plan)
{
    if (plan->pool)
        gw_pool_unlock(plan->pool);
}

/* Memory of runs, and the threads. */
gw_status gw_plan_open_run(struct gw_plan *plan, struct gw_error *error);
void gw_plan_close_run(struct gw_plan *plan);

/* Everything as it is before the first step. */
void gw_plan_reset_run(struct gw_plan *plan);
bool gw_plan_progress(struct gw_runnable *self);

/* Steps of the pool's threads. */
bool gw_plan_pool_step(struct gw_pool_job *self);

/* The following are called with the lock held. Step i was done; what it waited for, one of several,
 * has happened (-1: no step); it failed. */
void gw_plan_finish(struct gw_plan *plan, int i);
void gw_plan_release(struct gw_plan *plan, int i);
void gw_plan_fail(struct gw_plan *plan, int i, const struct gw_error *error);
/* A failure that a test put into the step. */
gw_status gw_plan_injected(struct gw_plan *plan, const struct gw_step *step,
                           struct gw_error *error);
/* Add to the time of encoding or decoding; `own`: of the executor. */
void gw_plan_account(struct gw_plan *plan, const struct gw_step *step, int64_t ns, bool own);

/* The run cannot be completed: nothing more comes over this comm. */
void gw_plan_end_broken(struct gw_plan *plan, gw_status status, const char *words);
/* All steps are done, or never will be. */
void gw_plan_end_run(struct gw_plan *plan);

/* ---- messages.c: steps that the transport does. With the lock held. ---------------------------*/
void gw_plan_start_message(struct gw_plan *plan, int i);
bool gw_plan_poll_messages(struct gw_plan *plan);

/* ---- start.c ----------------------------------------------------------------------------------*/
void gw_plan_give_up(struct gw_plan *plan);

#endif
