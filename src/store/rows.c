/* Copies of rows, until there are enough of them. */
#include "store/rows.h"

#include "base/mem.h"

#define BYTES_MAX (32u * 1024)

struct store_rows *store_rows_new(const struct sql_statement *statement)
{
    size_t values = (size_t)statement->params * statement->rows;
    struct store_rows *rows = mem_zalloc(sizeof(*rows) + values * sizeof(rows->values[0]));
    rows->params = statement->params;
    rows->most = statement->rows;
    rows->bytes = mem_alloc(BYTES_MAX);
    return rows;
}

void store_rows_free(struct store_rows **rows)
{
    if (*rows != NULL)
        mem_free((*rows)->bytes);
    mem_free(*rows);
    *rows = NULL;
}

/* False when there is no room for its bytes. */
static bool copy(struct store_rows *rows, const struct store_param *from, struct store_param *to)
{
    *to = *from;
    if (from->kind == STORE_INT || from->null)
        return true;
    if (from->s.n > BYTES_MAX - rows->used)
        return false;
    to->s.p = memcpy(rows->bytes + rows->used, from->s.p, from->s.n);
    rows->used += from->s.n;
    return true;
}

bool store_rows_add(struct store_rows *rows, const struct store_param *params, unsigned n)
{
    must(rows->n < rows->most && n == rows->params);
    struct store_param *to = &rows->values[rows->n * n];
    size_t used = rows->used;
    for (unsigned i = 0; i < n; i++) {
        if (!copy(rows, &params[i], &to[i])) {
            rows->used = used;
            return false;
        }
    }
    rows->n++;
    return true;
}

const struct store_param *store_rows_at(const struct store_rows *rows, unsigned i)
{
    must(i < rows->n);
    return &rows->values[i * rows->params];
}

void store_rows_clear(struct store_rows *rows)
{
    rows->n = 0;
    rows->used = 0;
}
