/* What the files of this room share. Inside this room only.
 *
 * Owns: the shapes of rows (what the store holds) and of snapshots (rows made ready for calls).
 * Threads: rows are changed by one thread only and belong to one snapshot afterwards, which is
 * immutable.
 * Memory: text in an arena per set of rows; secrets each in a block of their own, wiped. */
#ifndef CATALOG_ROOM_H
#define CATALOG_ROOM_H

#include "catalog/catalog.h"

#include <pthread.h>
#include <stdatomic.h>

#define CATALOG_ROWS_MAX 100000
#define CATALOG_NAME_MAX 64
#define CATALOG_PATTERN_MAX 200
#define CATALOG_URL_MAX 512
#define CATALOG_SECRET_MAX 4096

struct catalog_provider_row {
    int64_t id;
    struct str name, tag, base_url;
    enum catalog_kind kind;
    bool drain;
};
struct catalog_key_row {
    int64_t id, provider;
    struct str secret;
};
struct catalog_route {
    int64_t id, provider_id, priority, weight;
    struct str pattern, upstream;
    const struct catalog_provider *provider; /* set by compiling */
};

struct catalog_rows {
    struct arena arena;
    struct catalog_provider_row *providers;
    struct catalog_key_row *keys;
    struct catalog_route *routes;
    struct catalog_price *prices;
    struct catalog_rule *rules;
    struct catalog_model *models;
    size_t providers_n, keys_n, routes_n, prices_n, rules_n, models_n;
    size_t providers_cap, keys_cap, routes_cap, prices_cap, rules_cap, models_cap;
};
void catalog_rows_init(struct catalog_rows *rows);
void catalog_rows_fini(struct catalog_rows *rows);
size_t catalog_rows_count(const struct catalog_rows *rows);
/* Each copies the row; a price takes the place of its pattern's, a model that of its id's. */
void catalog_rows_provider(struct catalog_rows *rows, const struct catalog_provider_row *row);
void catalog_rows_key(struct catalog_rows *rows, const struct catalog_key_row *row);
void catalog_rows_route(struct catalog_rows *rows, const struct catalog_route *row);
void catalog_rows_price(struct catalog_rows *rows, const struct catalog_price *row);
void catalog_rows_rule(struct catalog_rows *rows, const struct catalog_rule *row);
void catalog_rows_model(struct catalog_rows *rows, const struct catalog_model *row);
/* `into` is empty. */
void catalog_rows_copy(struct catalog_rows *into, const struct catalog_rows *from);
void catalog_rows_add(struct catalog_rows *into, const struct catalog_rows *from);
/* Its keys and routes too. */
void catalog_rows_drop_provider(struct catalog_rows *rows, int64_t id);
void catalog_rows_drop_route(struct catalog_rows *rows, int64_t id);
void catalog_rows_drop_rule(struct catalog_rows *rows, int64_t id);
/* Everything that the store holds. */
MUST enum err catalog_rows_read(struct catalog_rows *rows, struct store_conn *conn,
                                const uint8_t seal[CRYPTO_KEY_LEN], char ret_why[STORE_WHY_MAX]);

/* A route that takes a model, and what the model is called there. */
struct catalog_match {
    const struct catalog_route *route;
    struct str upstream; /* p NULL: the client's name */
};
/* A model that has a name of its own somewhere, thought out when the snapshot is made. */
struct catalog_known {
    struct str id;
    const struct catalog_price *price;
    const struct catalog_rule *rule;
    const struct catalog_model *model; /* NULL: not described */
    struct catalog_model made; /* a description where there is none */
    struct catalog_match *matches;
    size_t matches_n;
    bool priced_by_name;
};
struct catalog_snapshot {
    _Atomic uint64_t refs;
    struct catalog_rows rows;
    struct catalog_provider *providers;
    struct catalog_provider_key *keys;
    struct catalog_route *routes; /* in the order of trying */
    const struct catalog_price **wild; /* patterns, the most specific first */
    const struct catalog_rule **rules; /* in the order of looking */
    size_t wild_n;
    struct catalog_known *known; /* open addressing by id */
    size_t known_cap;
    const struct catalog_known **listed; /* by id */
    size_t listed_n;
    void (*detach)(void *arg, void *attached);
    void *arg;
};
/* Takes the rows; one reference. */
struct catalog_snapshot *catalog_snapshot_new(struct catalog_rows *rows,
                                              const struct catalog_options *options);

struct catalog {
    struct catalog_options options;
    struct store *store;
    pthread_mutex_t lock;
    const struct catalog_snapshot *now;
    _Atomic uint64_t generation;
    /* Of the writer thread: changes of this transaction that wait for its end, and what they make
     * of the rows. */
    size_t changes;
    struct catalog_rows *building;
};
/* Takes the rows and makes them what calls see. */
void catalog_publish(struct catalog *c, struct catalog_rows *rows);

bool catalog_is_exact(struct str pattern);
/* More is more specific. */
size_t catalog_literals(struct str pattern);
/* What the pattern's only `*` takes of the model. */
struct str catalog_star(struct str pattern, struct str model);

#endif
