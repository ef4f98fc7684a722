/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the server's core share. Who calls whom:
 *
 *     core.c          connections: hello, terms, end                 -> members, frames
 *     core_frames.c   what may come, and who takes it                -> push, round
 *     core_members.c  who is in the job: join, lost, back, leave
 *     core_push.c     parts to pushes, pushes to acknowledgements
 *     core_round.c    rounds and pulls: what the policy lets happen  -> the shard
 *     core_store.c    what goes to disk, and when that lets an acknowledgement go
 *     core_recover.c  a snapshot's image, and what records mean
 *     core_status.c   what people see */
#ifndef GW_SERVER_CORE_INSIDE_H
#define GW_SERVER_CORE_INSIDE_H

#include "server/core.h"
#include "server/policy.h"
#include "server/protocol.h"

enum {
    GW_MEMBERS_MAX = 65536,
    GW_STRIKES = 3, /* bad payloads before a peer is refused */
    /* Waiting pushes of one worker: beyond the first number acknowledgements are held back, which
     * a worker that keeps to its window (GW_PS_PUSHES) feels in time; beyond the second it is
     * refused. */
    GW_WAITING_ACKED = 4,
    GW_WAITING_MAX = 16,
    GW_UNREAD_MAX = 1 << 20 /* bytes of answers, beside two pulls */
};

#define GW_RETRY_NS 200000000 /* until what failed for want of memory or disk is tried again */

struct push {
    struct push *next;
    uint32_t worker;
    bool raw, leaving;
    uint64_t sequence, meant, clock, arrival;
    int64_t arrived_ns;
    double rate;
    struct gw_blob *part[]; /* shard's parts */
};

/* An acknowledgement that waits for the disk, or for the queue to become shorter. */
struct ack {
    struct ack *next;
    uint64_t sequence, serial;
    bool late;
};

struct member {
    uint32_t worker, epoch;
    uint64_t instance;
    bool member, live;
    bool forget;     /* it left: what the shard keeps for it may go */
    int64_t lost_at; /* when its connection broke; meaningless while it has one */
    int64_t wait_ns; /* how long it is waited for since then */
    struct gw_core_peer *peer;
    uint64_t accepted, durable; /* pushes */
    uint64_t clock;
    struct push *first, **last; /* waiting */
    uint32_t waiting;
    struct ack *acks, **acks_end;
    struct push *stage; /* parts of a push that is not complete */
    size_t staged;
    struct gw_error stage_error;
    /* For people. */
    uint64_t pushes, pulls, in_bytes, out_bytes, raw_in_bytes, raw_out_bytes, late, strikes;
    double norm;
    char name[64];
};

struct gw_core_peer {
    struct gw_core_peer *next, *before;
    struct gw_core *core;
    struct gw_session *session;
    void *link;
    char name[64];
    struct member *member; /* a worker whose terms were agreed on */
    bool observer, closed;
    bool unheard; /* its initial values were thrown away, since another worker's were coming */
    unsigned strikes;
    struct gw_blob *incoming; /* where the payload of a part that is arriving is put */
    bool pulls;               /* one is asked for and not answered */
    uint64_t pull_sequence;
    struct gw_pull_body pull;
};

struct gw_core {
    struct gw_core_world world;
    struct gw_job *job;
    struct gw_durability durability;
    uint64_t incarnation;
    int64_t now, lost_ns, back_ns;
    int threads;

    struct gw_core_peer *peers;
    struct member **members; /* by worker number, ascending */
    size_t members_count;
    struct gw_clock *clocks; /* scratch: as many as members */
    uint32_t *take;

    struct gw_shard *shard;        /* NULL: no layout yet */
    struct gw_blob_pool *payloads; /* where parts of pushes are put */
    bool has_values;
    size_t inits; /* parts of initial values that came, from `init_peer` */
    struct gw_core_peer *init_peer;

    struct gw_policy policy;
    uint64_t arrivals;
    int64_t wake_ns, retry_ns, said_ns;
    uint32_t contributors; /* to the last round */

    struct gw_work *work; /* under way */
    bool applying;        /* it is a round, whose pushes are in `taken` */
    struct push *taken;
    struct gw_push_view *views;
    size_t views_room;
    bool going, again; /* gw_core_go_on is not entered twice */
    bool holds_acks;   /* of workers with many pushes waiting */

    struct gw_store *store;
    bool storing, snapshotting; /* an operation of the store is under way; it is a snapshot */
    bool based;                 /* a snapshot stands */
    uint64_t appended, durable; /* records; the serial up to which they are on disk */
    uint64_t storing_serial, round_serial;
    uint64_t snapshot_round, image_round;
    bool snapshot_wanted, final; /* final: the last one, of a server that stops */
    uint8_t *image;
    size_t image_bytes;
    struct gw_error task_error;  /* of the operation under way, on its own thread */
    struct gw_error store_error; /* of the last one that failed */
    bool sick;                   /* the log has a gap: it takes a snapshot to be well again */
    bool healing;                /* the snapshot under way is to close a gap */
    int64_t store_retry_ns;
    uint64_t snapshots, flushes;

    bool stopping, stopped;
    int64_t drain_until; /* of a server that stops */
    struct gw_error result;
    uint64_t refused, strikes, accepted_pushes, late_pushes;
    int64_t opened_ns;
};

/* ---- core.c */

void gw_core_say(struct gw_core *core, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gw_core_send(struct gw_core_peer *peer, const struct gw_frame *frame, struct gw_blob *blob);
void gw_core_send_body(struct gw_core_peer *peer, const struct gw_frame *frame, const void *body,
                       size_t bytes);
void gw_core_refuse(struct gw_core_peer *peer, gw_status status, const char *words);
/* It stops, but lets those that wait have what they wait for. */
bool gw_core_drains(const struct gw_core *core);
/* Open the shard of the job's layout. */
gw_status gw_core_open_shard(struct gw_core *core, struct gw_error *error);
uint64_t gw_core_part_bytes(const struct gw_core *core); /* of raw floats of all parts */

/* ---- core_frames.c */

void gw_core_take_frame(struct gw_core_peer *peer, struct gw_event *event);

/* ---- core_members.c */

/* Where this number stands, or would stand, among members and clocks. */
size_t gw_core_place(const struct gw_core *core, uint32_t worker);
/* The member of this number; NULL: none. `make` makes one (NULL: out of memory, or too many). */
struct member *gw_core_member(struct gw_core *core, uint32_t worker, bool make);
void gw_core_free_member(struct member *member);
void gw_core_count_joined(struct gw_core *core); /* enough for the first round? */
void gw_core_join(struct gw_core *core, struct member *member, struct gw_core_peer *peer);
void gw_core_lose(struct gw_core *core, struct member *member, const char *why);
void gw_core_leave(struct gw_core *core, struct member *member);
void gw_core_set_clock(struct member *member, uint64_t clock); /* clocks only rise */
void gw_core_age(struct gw_core *core); /* those lost long enough are no longer live */
int64_t gw_core_age_deadline(const struct gw_core *core);
void gw_core_clocks(struct gw_core *core); /* core->clocks, from the members */
uint32_t gw_core_count_members(const struct gw_core *core);

/* ---- core_push.c */

void gw_core_take_init(struct gw_core_peer *peer, struct gw_event *event);
void gw_core_take_part(struct gw_core_peer *peer, const struct gw_frame *frame);
void gw_core_take_commit(struct gw_core_peer *peer, const struct gw_event *event);
struct push *gw_core_new_push(const struct gw_core *core); /* NULL: out of memory */
void gw_core_free_push(struct gw_core *core, struct push *push);
void gw_core_free_pushes(struct gw_core *core, struct push **first); /* a queue; it is empty then */
void gw_core_drop_stage(struct gw_core *core, struct member *member);
void gw_core_queue_push(struct gw_core *core, struct member *member, struct push *push);
/* Send the acknowledgements that nothing holds back any more. */
void gw_core_release_acks(struct gw_core *core, struct member *member);
void gw_core_release_all_acks(struct gw_core *core);

/* ---- core_round.c */

/* Whatever can happen now, does: pulls, the next round, a snapshot. Call it after every change. */
void gw_core_go_on(struct gw_core *core);
/* Take the pushes that core->take names off their queues, into core->taken and core->views. */
gw_status gw_core_take_pushes(struct gw_core *core, size_t count);
void gw_core_end_round(struct gw_core *core, size_t contributors);
void gw_core_awaited(struct gw_core *core, char *text, size_t capacity);

/* ---- core_store.c */

enum gw_record {
    GW_RECORD_JOIN = 1,
    GW_RECORD_PUSH,
    GW_RECORD_LATE,
    GW_RECORD_ROUND,
    GW_RECORD_LEAVE
};

void gw_core_log_member(struct gw_core *core, enum gw_record type, const struct member *member);
void gw_core_log_push(struct gw_core *core, const struct push *push);
void gw_core_log_late(struct gw_core *core, const struct member *member);
void gw_core_log_round(struct gw_core *core, size_t count);
/* Start what the disk should do next, if anything. */
void gw_core_store(struct gw_core *core);
bool gw_core_wants_snapshot(const struct gw_core *core);
/* Nobody may see this round, and no round may follow, before its snapshot has been begun. */
bool gw_core_waits_for_snapshot(const struct gw_core *core);
bool gw_core_is_safe(const struct gw_core *core, uint64_t serial);

/* ---- core_recover.c */

gw_status gw_core_recover(struct gw_core *core, const char *folder, const struct gw_files *files,
                          struct gw_error *error);
/* The image of the present state, malloced. */
gw_status gw_core_write_image(const struct gw_core *core, uint8_t **image, size_t *bytes,
                              struct gw_error *error);
/* A push as bytes: for the log and for the image. */
enum { GW_PUSH_HEAD = 48 };
void gw_core_write_push_head(uint8_t out[GW_PUSH_HEAD], const struct push *push, size_t parts);

#endif
