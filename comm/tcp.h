/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Ranks that are connected by sessions, one for each pair: what the files of "tcp:" share.
 *
 *     tcp.c          the row: a comm, its operations
 *     tcp_peers.c    the peers file, and what two ranks must agree on
 *     tcp_engine.c   the thread that owns the sockets; its start and end
 *     tcp_join.c     how ranks find each other
 *     tcp_lanes.c    where messages and receives meet
 *     tcp_out.c      from sends to frames
 *     tcp_in.c       from frames to receives
 *     tcp_context.c  comms that share an engine: who has left which
 *
 * An engine has a thread of its own, so that beats go out while its rank computes. All comms that
 * were split from one share it; their messages differ by context. Callers and the thread share one
 * lock; the thread never holds it while it calls a session, which may call back. */
#ifndef GW_COMM_TCP_H
#define GW_COMM_TCP_H

#include <pthread.h>
#include <stdatomic.h>

#include "comm/comm.h"
#include "session/stream.h"

enum {
    GW_TCP_RANKS_MAX = 1024,
    GW_TCP_WORDS = 256,
    GW_TCP_PIECE = 1 << 20,   /* payload of a frame: beats and other messages get in between */
    GW_TCP_WINDOW = 4 << 20,  /* bytes that a session is given ahead */
    GW_TCP_PIECES = 64,       /* frames that it is given ahead */
    GW_TCP_LANES = 64,        /* chains of a peer's table of lanes */
    GW_TCP_OVERHEAD = 256,    /* what a message that is kept counts besides its bytes */
    GW_TCP_ENTRIES = 1 << 16, /* lanes and contexts that a peer can make us remember */
    GW_TCP_PATIENCE_MS = 2000 /* how long a cancel waits for the sockets */
};

/* Bytes of one peer's messages that nobody has asked for yet: beyond, it is told to hold. What is
 * under way by then is bounded by its window; who sends on regardless is cut off. */
#define GW_TCP_KEPT_MAX ((size_t)256 << 20)

enum gw_tcp_frame {
    GW_TCP_MESSAGE = GW_FRAME_FIRST_USE, /* tensor: channel, spec: context */
    GW_TCP_HOLD,                         /* send nothing more but what GO allows */
    GW_TCP_GO,                           /* one message of this context and channel */
    GW_TCP_RESUME,                       /* send again */
    GW_TCP_LEAVE                         /* the sender has closed its comm of this context */
};

enum { GW_TCP_LAST = 1, GW_TCP_CUT = 2 }; /* flags of a message's frame: its end; it is withdrawn */

/* What one end of a pair of ranks must know of the group. */
struct gw_tcp_group {
    int ranks, rank;
    struct gw_address *addresses;
    uint64_t digest; /* of the peers file's text */
    uint64_t job;    /* of that and the number of ranks */
};

struct tcp_op {
    struct gw_op base;
    struct tcp_op *next; /* in a lane's queue */
    struct tcp_peer *peer;
    struct tcp_lane *lane;
    bool sends;
    uint8_t *buffer;
    size_t bytes;     /* of the message, or of the room for it */
    size_t offset;    /* given to the session, or received */
    int pieces;       /* that the session holds */
    bool placing;     /* the session fills the buffer */
    bool overflow;    /* the message is longer than the room */
    bool given_up;    /* by its caller, who waits for the buffer */
    bool orphan;      /* nor does he: whoever finishes it frees it */
    bool failed;      /* the peer is gone */
    gw_status status; /* when done */
    atomic_int done;
    struct tcp_kept *self; /* a message to oneself that is kept */
};

struct tcp_queue {
    struct tcp_op *first, *last;
};

struct tcp_chunk {
    struct tcp_chunk *next;
    uint8_t *payload; /* malloced */
    size_t bytes;
};

/* A message that came before its receive. */
struct tcp_kept {
    struct tcp_kept *next;
    struct tcp_chunk *first, *last;
    size_t bytes;
    bool whole;
    struct tcp_op *op; /* a message to oneself stays in its sender's buffer */
};

/* Messages of one context and channel with one peer, both ways. */
struct tcp_lane {
    struct tcp_lane *next; /* of its chain, or among the spare */
    uint64_t context;
    uint32_t channel;
    struct tcp_queue sends;
    struct tcp_lane *turn; /* the next to send a frame */
    bool waits;            /* for its turn */
    bool cut;              /* the message under way is withdrawn; the receiver is to be told */
    unsigned allowed;      /* messages, while the peer holds us */
    struct tcp_queue receives;
    struct tcp_kept *first, *last;
    struct tcp_op *into; /* the receive that the message which comes in has met */
    bool drops;          /* that message is thrown away */
    unsigned asks;       /* GO, to be sent */
    bool spare;
};

/* A comm on this side, or on the other, or both. */
struct tcp_context {
    struct tcp_context *next;
    uint64_t context;
    bool closed, told; /* here; and the peer knows */
    bool left;         /* by the peer */
};

struct tcp_piece {
    struct tcp_piece *next; /* among the free */
    struct tcp_peer *peer;
    struct tcp_op *op;
    size_t bytes;
};

enum tcp_state { TCP_ABSENT, TCP_READY, TCP_LEFT, TCP_LOST };

struct tcp_peer {
    struct tcp_engine *engine;
    int rank;
    enum tcp_state state;
    struct tcp_link *link;    /* NULL: not connected, or connecting */
    char words[GW_TCP_WORDS]; /* why it is not there */
    /* Joining; the thread's alone. */
    bool connecting;
    int64_t next_try, delay;
    /* Lanes. */
    struct tcp_lane *lanes[GW_TCP_LANES], *spare;
    size_t lanes_count;
    struct tcp_context *contexts;
    size_t contexts_count;
    /* Out. */
    struct tcp_lane *turn_first, *turn_last;
    struct tcp_piece pieces[GW_TCP_PIECES], *free_piece;
    struct tcp_piece *stuck; /* that a session which has ended did not take */
    size_t window;           /* bytes that the session holds */
    uint64_t out_sequence;
    bool held;
    bool news;    /* something for the thread to send */
    bool drop;    /* close it at once */
    bool pumping; /* the thread's */
    /* In. */
    uint64_t in_sequence;
    size_t kept;
    bool holds, told_hold, asks;
};

/* One stream, from its connect or accept to its end. */
struct tcp_link {
    struct tcp_link *next, **at;
    struct tcp_engine *engine;
    struct tcp_peer *peer; /* NULL: accepted, and not ready. Ready: peer->link is this one */
    struct gw_stream *stream;
};

struct tcp_engine {
    struct gw_tcp_group group;
    struct tcp_peer *peers;
    uint64_t instance;
    struct gw_keys *keys;
    struct gw_tls_context *serve_tls, *connect_tls;
    pthread_t thread;
    pthread_mutex_t lock; /* what follows, and the peers */
    pthread_cond_t rung;
    int waiters;
    uint64_t events;
    int users;                   /* comms */
    size_t kept_max;             /* GW_TCP_KEPT_MAX */
    int ready;                   /* peers */
    struct gw_error failure;     /* joining cannot succeed */
    char stranger[GW_TCP_WORDS]; /* what went wrong with whoever else came */
    char why[GW_TCP_WORDS];      /* it ends, if that is no good end */
    bool opened, ending;
    bool wants, poked; /* the thread is to be woken; it will be, or is about to look */
    atomic_uint losses;
    /* The thread's. */
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t timer;
    struct gw_net *net;
    struct gw_listener *listener;
    struct tcp_link *links;
    uint32_t epoch;
    bool closing, net_closed;
};

/* A comm. */
struct tcp_impl {
    struct tcp_engine *engine;
    uint64_t context;
    int *ranks;         /* of the engine, in the comm's order */
    int32_t *seats;     /* 2 per rank, for splits, and 2 for oneself */
    struct gw_op **ops; /* 2 per rank */
    struct gw_op_book book;
    uint64_t seen; /* events */
    unsigned losses;
};

/* For tests: another limit of what is kept. */
void gw_tcp_set_kept(gw_comm *comm, size_t bytes);

/* ---- tcp_peers.c ----------------------------------------------------------------------------- */

/* Read the peers file. Errors: GW_EIO, GW_ESPEC (the line, or too few of them), GW_ENOMEM. */
gw_status gw_tcp_group_read(struct gw_tcp_group *group, const char *path, struct gw_error *error);
gw_status gw_tcp_group_parse(struct gw_tcp_group *group, const char *text, size_t length,
                             const char *path, struct gw_error *error);
/* What both ends of a pair must say alike. */
void gw_tcp_group_terms(const struct gw_tcp_group *group, int client, int server, char *text,
                        size_t capacity);
/* Is the other's text one of the same peers file? */
bool gw_tcp_group_knows(const struct gw_tcp_group *group, const char *terms);

/* ---- tcp_engine.c ---------------------------------------------------------------------------- */

/* Connect to all others. `path` of the keys: NULL for none. */
gw_status gw_tcp_engine_open(struct tcp_engine **out, const struct gw_tcp_group *group,
                             const char *keys, int64_t timeout_ns, struct gw_error *error);
void gw_tcp_engine_share(struct tcp_engine *engine);
/* The last user ends it, and tells the others why if that is no good end (NULL: it is). */
void gw_tcp_engine_drop(struct tcp_engine *engine, const char *why);

/* Unlocking wakes the thread where there is news for it. */
void gw_tcp_lock(struct tcp_engine *engine);
void gw_tcp_unlock(struct tcp_engine *engine);
/* Under the lock. */
void gw_tcp_ring(struct tcp_engine *engine);                   /* something has happened */
bool gw_tcp_wait(struct tcp_engine *engine, int64_t until_ns); /* for that; false: time is up */
void gw_tcp_news(struct tcp_peer *peer);                       /* let the thread look at it */

/* ---- tcp_join.c: on the thread --------------------------------------------------------------- */

extern const struct gw_stream_calls gw_tcp_calls;
bool gw_tcp_link_is_ready(const struct tcp_link *link); /* its peer uses it */
gw_status gw_tcp_listen(struct tcp_engine *engine, struct gw_error *error);
void gw_tcp_connect_absent(struct tcp_engine *engine);
void gw_tcp_lose(struct tcp_peer *peer, gw_status status, const char *words);
void gw_tcp_links_free(struct tcp_engine *engine);

/* ---- tcp_lanes.c: under the lock ------------------------------------------------------------- */

struct tcp_lane *gw_tcp_lane_find(const struct tcp_peer *peer, uint64_t context, uint32_t channel);
struct tcp_lane *gw_tcp_lane_get(struct tcp_peer *peer, uint64_t context, uint32_t channel);
void gw_tcp_lane_rest(struct tcp_peer *peer, struct tcp_lane *lane); /* spare it if it is empty */
void gw_tcp_lane_turn(struct tcp_peer *peer, struct tcp_lane *lane); /* it has something to send */
/* Those of a context (NULL: all); `call` does not rest other lanes. */
void gw_tcp_lanes_each(struct tcp_peer *peer, const uint64_t *context,
                       void (*call)(struct tcp_peer *peer, struct tcp_lane *lane));
void gw_tcp_lanes_fail(struct tcp_peer *peer, const uint64_t *context);  /* NULL: all */
void gw_tcp_lanes_purge(struct tcp_peer *peer, const uint64_t *context); /* NULL: all */
void gw_tcp_lanes_free(struct tcp_peer *peer);
void gw_tcp_queue_push_front(struct tcp_queue *queue, struct tcp_op *op);
struct tcp_op *gw_tcp_queue_pop(struct tcp_queue *queue);
bool gw_tcp_queue_remove(struct tcp_queue *queue, struct tcp_op *op);
void gw_tcp_op_finish(struct tcp_op *op, gw_status status);
void gw_tcp_op_receive(struct tcp_op *op, const uint8_t *bytes, size_t count); /* NULL: placed */
/* The one that is not whole: the last, if any. */
struct tcp_kept *gw_tcp_kept_growing(const struct tcp_lane *lane);
void gw_tcp_kept_push(struct tcp_lane *lane, struct tcp_kept *kept);
struct tcp_kept *gw_tcp_kept_take(struct tcp_lane *lane, struct tcp_kept *kept); /* out of it */
void gw_tcp_kept_free(struct tcp_kept *kept);
void gw_tcp_kept_move(struct tcp_kept *kept, struct tcp_op *op); /* frees it */
void gw_tcp_kept_less(struct tcp_peer *peer, size_t bytes);

/* Start an operation whose peer, sends, buffer and bytes are set. GW_ENOMEM: it did not. */
gw_status gw_tcp_post_send(struct tcp_op *op, uint64_t context, uint32_t channel);
/* `*came`: the message was there already; the caller copies it, without the lock. */
gw_status gw_tcp_post_recv(struct tcp_op *op, uint64_t context, uint32_t channel,
                           struct tcp_kept **came);
/* Take an operation back. False: its buffer is in use. */
bool gw_tcp_withdraw(struct tcp_op *op);

/* ---- tcp_out.c, tcp_in.c: on the thread, without the lock ------------------------------------ */

void gw_tcp_pump(struct tcp_peer *peer);
void gw_tcp_return_stuck(struct tcp_peer *peer); /* under the lock: the peer is lost */
gw_status gw_tcp_admit(void *link, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error);
void gw_tcp_frame(struct tcp_link *link, struct gw_event *event);
gw_status gw_tcp_take(struct tcp_peer *peer, struct gw_event *event); /* takes the lock itself */

/* ---- tcp_context.c: under the lock ----------------------------------------------------------- */

/* Two parts, so that memory comes first: a list of `count` new entries; NULL: out of memory. */
struct tcp_context *gw_tcp_contexts_new(int count);
void gw_tcp_contexts_free(struct tcp_context *contexts);
void gw_tcp_context_open(struct tcp_peer *peer, struct tcp_context *fresh, uint64_t context);
void gw_tcp_context_close(struct tcp_peer *peer, uint64_t context);
gw_status gw_tcp_context_left(struct tcp_peer *peer, uint64_t context);  /* a LEAVE came */
bool gw_tcp_context_gone(const struct tcp_peer *peer, uint64_t context); /* the peer has left it */
bool gw_tcp_context_shut(const struct tcp_peer *peer, uint64_t context); /* closed here */
/* The next LEAVE to be sent, marked as told. */
bool gw_tcp_context_untold(struct tcp_peer *peer, uint64_t *context);

#endif
