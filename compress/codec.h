/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a codec is, inside. A row of codecs.c describes one; a spec string opens a chain of
 * instances: zero or more wrappers, then the codec proper (the core).
 *
 * One instance encodes one *unit*: a tensor (what a rank sends, stage 0) or the part of a tensor
 * that a rank owns (what the owner sends back, stage 1). Elements are counted from the unit's
 * start; site.first says where the unit starts in its tensor, which only random numbers need.
 *
 * One run:
 *     gw_codec_prepare(c, x)      the whole unit: finite check, tensor-wide scales, next state;
 *                                 no pass over x where no link of the chain needs one
 *     gw_codec_propose / _adopt   codecs with agreed side information: max over the ranks
 *     gw_codec_encode(c, range)   any ranges, any order; each element once
 *     gw_codec_commit             keep the next state;   gw_codec_rollback: forget it
 * State (a residual, a momentum) is double: `state` is what was committed, `next` is written by the
 * run, commit swaps them. So a run that fails changes nothing.
 *
 * Threads: prepare, propose, adopt, commit and rollback are one thread's. Between prepare and
 * commit any number of threads may encode disjoint ranges that start at multiples of the granule,
 * and at any time check, decode, decode_add (to outputs of their own) and, once gw_codec_begin_run
 * was called for the run, merge: these write to their outputs and to `next` of their range only,
 * and a row keeps no scratch in `own`. The bytes do not depend on who encodes what.
 *
 * Decoding needs no state and no run: gw_payload_check first, then decode cannot fail. */
#ifndef GW_COMPRESS_CODEC_H
#define GW_COMPRESS_CODEC_H

#include <gradwire/codec.h>
#include <gradwire/info.h>
#include <gradwire/plan.h>

#include <stdbool.h>

#include "base/error.h"
#include "base/random.h"
#include "base/spec.h"
#include "base/types.h"
#include "compress/kernels/kernels.h"

struct gw_codec_site {
    const char *tensor;  /* for messages; must outlive the codec */
    uint64_t tensor_key; /* gw_hash_text(tensor) */
    uint64_t seed;
    size_t first, count; /* the unit */
    int rank, ranks, stage;
    gw_nonfinite nonfinite;
    gw_type type; /* GW_F32 and GW_SUM or GW_MEAN unless the core is GW_ANY_TYPE */
    gw_operation operation;
};

/* Flags of a payload's header (doc/wire-format.md). */
enum { GW_PAYLOAD_MERGED = 1, GW_PAYLOAD_ABORT = 2, GW_PAYLOAD_KNOWN_FLAGS = 3 };

/* Where error feedback keeps what was not sent. */
struct gw_feedback {
    const gw_f32 *state; /* of the unit, like next */
    gw_f32 *next;
    float shrink; /* input + state is multiplied by it before it is encoded; 1 unless GW_UNBIASED */
};

/* Functions may be NULL where the comment says what that means. `first`, `count`: the range, in
 * elements of the unit. Wrappers need open, prepare, encode, state_count only. */
struct gw_codec_row {
    gw_codec_info info;
    unsigned wire_id; /* of cores: the header's codec byte; never reused */
    size_t own_bytes; /* of this codec's own struct behind `own` (zeroed); 0: none */

    /* Refuse combinations of values, precompute; may set c->row to a variant of the row with the
     * traits and functions of these values (same name, parameters and sizes). NULL: nothing to do.
     */
    gw_status (*open)(struct gw_codec *c, struct gw_error *error);
    void (*close)(struct gw_codec *c); /* NULL: nothing but `own` to free */

    /* Floats of state, of which there are two copies. NULL: none. */
    size_t (*state_count)(const struct gw_codec *c);

    /* Ranges that start at multiples of this cost no padding and never share a scale. */
    size_t (*granule)(const struct gw_codec *c);

    /* Most body bytes of a range; exact if GW_FIXED_SIZE. merged_bound: of a merged payload. */
    size_t (*bound)(const struct gw_codec *c, size_t first, size_t count);
    size_t (*merged_bound)(const struct gw_codec *c, size_t first, size_t count);

    /* See the whole unit; encode reads c->input afterwards. NULL: no pass needed. */
    gw_status (*prepare)(struct gw_codec *c, struct gw_error *error);

    /* Side information that ranks agree on by maximum. NULL count: none. */
    size_t (*side_count)(const struct gw_codec *c);
    void (*propose)(struct gw_codec *c, float *side);
    gw_status (*adopt)(struct gw_codec *c, const float *side, struct gw_error *error);

    /* Write the body of a range of c->input. Capacity is at least the bound. */
    gw_status (*encode)(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error);

    /* The same, of input + state, leaving what was not sent in `next`: error feedback in one pass.
     * NULL: ef+ does it in several. Only for cores without `prepare`. */
    gw_status (*encode_feedback)(struct gw_codec *c, const struct gw_feedback *feedback,
                                 size_t first, size_t count, uint8_t *body, size_t *written,
                                 struct gw_error *error);

    /* Both find NaN and infinity of the range while they encode it, and then return what
     * gw_codec_check_range says. If 0, gw_payload_encode calls that first. */
    int finds_nonfinite;

    /* Any bytes: GW_OK if decode will give `count` floats (finite, unless nonfinite is pass). */
    gw_status (*check)(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       struct gw_error *error);

    /* After check. decode overwrites; decode_add does sum[i] += weight * value[i], the product
     * rounded first. Raw of other types takes its elements behind these pointers. */
    void (*decode)(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out);
    void (*decode_add)(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum);

    /* n checked bodies (rank order) to one that stands for their sum, or their vote. NULL: not
     * mergeable. `body` has merged_bound bytes. A codec with tie rules may use its state. */
    void (*merge)(struct gw_codec *c, size_t first, size_t count, const struct gw_body *bodies,
                  int n, uint8_t *body, size_t *written);

    /* For GW_UNBIASED: w with E|C(x)-x|^2 <= w |x|^2 for every x; ef+ divides by 1 + w if w >= 1.
     */
    double (*variance)(const struct gw_codec *c);
};

struct gw_codec {
    const struct gw_codec_row *row;
    const struct gw_kernels *kernels;
    struct gw_codec_site site;
    struct gw_values values;  /* in the order of row->info.params */
    struct gw_codec *inner;   /* wrappers only */
    struct gw_codec *core;    /* innermost; itself for a core */
    struct gw_random_key key; /* of this run */
    uint64_t run;             /* runs committed so far */
    const gw_f32 *input;      /* set by prepare; the unit's first element */
    int reads_unit;           /* prepare does; true if there is one, unless open says otherwise */
    int unchecked;            /* this run's input is checked range by range, not by prepare */
    gw_f32 *state, *next;     /* row->state_count floats each, zeroed at open */
    void *memory[2];          /* that state and next stand in */
    bool filled;              /* `state` may hold more than zeros */
    bool bypassed;            /* of a core: this run is gw_codec_wrap's */
    void *own;                /* row->own_bytes */

    /* Of the outermost instance only. */
    gw_f32 *clean;         /* the input with non-finite values zeroed, when asked and needed */
    char *spec;            /* the chain, every parameter written out */
    struct gw_error error; /* of the public calls */
    int running;           /* between public begin and end */
    size_t encoded;        /* elements since begin */
    char *tensor;          /* owned copy of the public options' name */
};

/* ---- chain.c: open, run, close
 * ----------------------------------------------------------------*/

gw_status gw_codec_open_site(gw_codec **out, const char *spec, const struct gw_codec_site *site,
                             struct gw_error *error);

/* "ef+qsgd:bits=4" with every parameter written out, without opening; checks it. `core` gets
 * the core's row; either output may be NULL. */
gw_status gw_codec_canonical(const char *spec, char *out, size_t capacity,
                             const struct gw_codec_row **core, struct gw_error *error);

gw_status gw_codec_prepare(struct gw_codec *c, const void *x, struct gw_error *error);

/* Prepare leaves out its finite check where the values would be refused and no link of the chain
 * reads the whole unit: it would be a pass over memory of its own. Then whoever reads a range of
 * the input asks here, before or after, while the range is in cache. GW_OK, or GW_ENONFINITE. */
gw_status gw_codec_check_range(const struct gw_codec *c, size_t first, size_t count,
                               struct gw_error *error);

size_t gw_codec_side_count(const struct gw_codec *c);
void gw_codec_propose(struct gw_codec *c, float *side);
gw_status gw_codec_adopt(struct gw_codec *c, const float *side, struct gw_error *error);
void gw_codec_commit(struct gw_codec *c);
void gw_codec_rollback(struct gw_codec *c);

size_t gw_codec_granule(const struct gw_codec *c);
int gw_codec_has_state(const struct gw_codec *c);

/* State of the chain, outer wrapper first: total floats, and copies of the committed floats.
 * Call with `codec->run` saved beside it. Scaling is for residuals (ef+) only. */
size_t gw_codec_state_count(const struct gw_codec *c);
void gw_codec_state_save(const struct gw_codec *c, float *out);
void gw_codec_state_load(struct gw_codec *c, const float *in);
void gw_codec_scale_residual(struct gw_codec *c, float factor);
double gw_codec_residual_energy(const struct gw_codec *c); /* sum of squares */
/* What ef+ keeps, site.count floats; NULL: there is no ef+, or it keeps nothing. Between runs. */
const gw_f32 *gw_codec_residual(const struct gw_codec *c);
/* It was handed on: forget it. */
void gw_codec_clear_residual(struct gw_codec *c);

/* Key the random numbers of all links with the run's number; prepare and merge do. */
void gw_codec_begin_run(struct gw_codec *c);

/* What wrappers call on c->inner: sets its input, prepares it. */
gw_status gw_codec_prepare_inner(struct gw_codec *c, const gw_f32 *x, struct gw_error *error);

/* ---- wrap.c: a run whose result travels without the core
 * -----------------------------------------
 *
 *     gw_codec_wrap(c, x, &y)     y: what the wrappers make of x, the whole residual added
 *     gw_codec_commit             y went out exactly: the residual is zero, momentum is kept
 *     gw_codec_rollback           or nothing happened                                           */

/* True if that means what the chain means: its result estimates a sum, and ef+, if any, stands
 * right before the core, so that no wrapper behind it takes away what ef+ believes to be sent. */
bool gw_codec_can_wrap(const struct gw_codec *c);

/* `*y` is `x` itself where the wrappers change nothing, and then nobody has looked for values that
 * are not finite; it is valid until commit or rollback. Errors: as gw_codec_prepare. */
gw_status gw_codec_wrap(struct gw_codec *c, const void *x, const void **y, struct gw_error *error);

/* The residual of the owner's unit becomes part of that of `c`, `factor` times; no run is under way
 * in either. Between two runs of `c` nothing is lost by it. */
void gw_codec_take_residual(struct gw_codec *c, struct gw_codec *owner, float factor);

/* A run went by in which the codec was not needed: random numbers go on. */
void gw_codec_skip_run(struct gw_codec *c);

/* ---- payload.c: header + body
 * -----------------------------------------------------------------*/

enum { GW_HEADER_BYTES = 32 };

/* Bound with header; of an encoded or of a merged payload. */
size_t gw_payload_bound(const struct gw_codec *c, size_t first, size_t count);
size_t gw_payload_merged_bound(const struct gw_codec *c, size_t first, size_t count);

/* Encode a range: header, body, checksum. `capacity` >= the bound (else GW_ECAPACITY). */
gw_status gw_payload_encode(struct gw_codec *c, size_t first, size_t count, void *payload,
                            size_t capacity, size_t *written, struct gw_error *error);

/* The size of the payload at the start of `bytes` (several may stand one after the other), from
 * its header; GW_EPAYLOAD if there is none that fits. */
gw_status gw_payload_size(const void *payload, size_t bytes, size_t *size, struct gw_error *error);

/* Header, checksum, then the codec's own check. */
gw_status gw_payload_check(const struct gw_codec *c, size_t first, size_t count,
                           const void *payload, size_t bytes, struct gw_error *error);

/* Only after gw_payload_check. */
void gw_payload_decode(const struct gw_codec *c, size_t first, size_t count, const void *payload,
                       size_t bytes, void *out);
void gw_payload_decode_add(const struct gw_codec *c, size_t first, size_t count,
                           const void *payload, size_t bytes, float weight, void *sum);
gw_status gw_payload_merge(struct gw_codec *c, size_t first, size_t count,
                           const void *const *payloads, const size_t *bytes, int n, void *out,
                           size_t capacity, size_t *written, struct gw_error *error);

/* A message that says "my run failed" in words, in place of a payload (GW_PAYLOAD_ABORT). */
size_t gw_payload_abort(void *payload, size_t capacity, gw_status status, const char *words);
/* True if it is one: then `*status` is the sender's, and `words` (capacity GW_ERROR_TEXT) its
 * words. */
int gw_payload_is_abort(const void *payload, size_t bytes, gw_status *status, char *words);

/* Header and checksum around a body that the caller wrote at payload + GW_HEADER_BYTES. */
void gw_payload_seal(void *payload, unsigned wire_id, unsigned flags, uint64_t count,
                     size_t body_bytes);

/* ---- codecs.c
 * ---------------------------------------------------------------------------------*/

extern const struct gw_codec_row *const gw_codec_rows[]; /* ends with NULL */
const struct gw_codec_row *gw_codec_find(const char *name, size_t length);

#endif
