/* Names of keys, remembered. */
#include "control/names.h"

#include "base/mem.h"

#define NAMES_BYTES_MAX (16u << 20)

void control_names_init(struct control_names *names, struct control *c, struct store_conn *conn)
{
    *names = (struct control_names){.c = c, .conn = conn};
    arena_init(&names->arena, 4096, NAMES_BYTES_MAX);
}

void control_names_fini(struct control_names *names)
{
    arena_fini(&names->arena);
    mem_free(names->list);
}

static void note(void *arg, const struct identity_key_row *row)
{
    struct control_names *names = arg;
    struct control_name *one = &names->list[names->n - 1];
    one->user = row->user;
    one->name = arena_dup(&names->arena, row->name);
    one->email = arena_dup(&names->arena, row->user_email);
}

const struct control_name *control_name_of(struct control_names *names, struct id key)
{
    for (size_t i = 0; i < names->n; i++)
        if (id_eq(names->list[i].key, key))
            return &names->list[i];
    if (names->n == names->cap) {
        names->cap = names->cap != 0 ? 2 * names->cap : 16;
        names->list = mem_realloc(names->list, names->cap * sizeof(*names->list));
    }
    names->list[names->n++] = (struct control_name){
        .key = key, .name = STR("(deleted key)"), .email = STR("")};
    (void)!identity_key_get(names->c->identity, names->conn, key, note, names);
    return &names->list[names->n - 1];
}
