/* One row per type tells the fields in their order; one reader and one writer walk the rows. */
#include "ledger/record.h"

/* i id · o other · p caps (two) · t at · a amount · c cost · v over · x written_off · e expires ·
 * y priority · k kind · h hash · s about · r reason · l parts. Amounts are never negative; s, r and
 * l are 16 bits of length and bytes. */
struct shape {
    const char *name;
    const char *fields;
    unsigned flags; /* that may be set */
    size_t about_max;
};
static const struct shape shapes[RECORD_TYPE__COUNT] = {
    [RECORD_HOLD] = {"HOLD", "itoaps", 0, 512},
    [RECORD_DISPATCHED] = {"DISPATCHED", "its", 0, 512},
    [RECORD_UPSTREAM_ID] = {"UPSTREAM_ID", "is", 0, 255},
    [RECORD_CHECKPOINT] = {"CHECKPOINT", "ias", 0, 512},
    [RECORD_SETTLE] = {"SETTLE", "itoacvxs", RECORD_UNRESOLVED, 2048},
    [RECORD_VOID] = {"VOID", "its", 0, 2048},
    [RECORD_ACCOUNT] = {"ACCOUNT", "itka", 0, 0},
    [RECORD_CAP] = {"CAP", "ita", RECORD_OFF, 0},
    [RECORD_GRANT] = {"GRANT", "itoakyesr", 0, 16},
    [RECORD_TAKE] = {"TAKE", "itoasr", 0, 16},
    [RECORD_REFUND] = {"REFUND", "itoarl", 0, 0},
    [RECORD_MOVE] = {"MOVE", "toasr", 0, RECORD_MOVE_MAX},
    [RECORD_KEY] = {"KEY", "tasrh", 0, RECORD_KEY_MAX},
};

const char *record_name(enum record_type type)
{
    return shapes[type].name;
}

static void le_put(char **p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        (*p)[i] = (char)(uint8_t)(v >> (8 * i));
    *p += bytes;
}

static void bytes_put(char **p, const void *from, size_t n)
{
    if (n != 0)
        memcpy(*p, from, n);
    *p += n;
}

static void text_put(char **p, struct str s)
{
    le_put(p, s.n, 2);
    bytes_put(p, s.p, s.n);
}

static void money_put(char **p, int64_t v)
{
    must(v >= 0);
    le_put(p, (uint64_t)v, 8);
}

static void field_put(char **p, char field, const struct record *r)
{
    switch (field) {
    case 'i': bytes_put(p, r->id.b, sizeof(r->id.b)); return;
    case 'o': bytes_put(p, r->other.b, sizeof(r->other.b)); return;
    case 'p': bytes_put(p, r->caps, sizeof(r->caps)); return;
    case 't': money_put(p, r->at); return;
    case 'a': money_put(p, r->amount); return;
    case 'c': money_put(p, r->cost); return;
    case 'v': money_put(p, r->over); return;
    case 'x': money_put(p, r->written_off); return;
    case 'e': money_put(p, r->expires); return;
    case 'y': le_put(p, (uint64_t)r->priority, 8); return;
    case 'k': le_put(p, r->kind, 1); return;
    case 'h': bytes_put(p, r->hash, sizeof(r->hash)); return;
    case 's': text_put(p, r->about); return;
    case 'r': text_put(p, r->reason); return;
    default:
        must(field == 'l');
        text_put(p, r->parts);
        return;
    }
}

void record_put(struct buf *b, const struct record *r)
{
    const struct shape *shape = &shapes[r->type];
    must(r->about.n <= shape->about_max && r->reason.n <= RECORD_REASON_MAX);
    must(r->parts.n <= (size_t)RECORD_PARTS_MAX * RECORD_PART_LEN);
    must((r->flags & ~shape->flags) == 0);
    char *start = buf_reserve(b, sizeof(*r) + r->about.n + r->reason.n + r->parts.n);
    must(start != NULL);
    char *p = start + RECORD_HEAD_LEN;
    for (const char *f = shape->fields; *f != '\0'; f++)
        field_put(&p, *f, r);
    size_t n = (size_t)(p - start);
    p = start;
    le_put(&p, r->type, 1);
    le_put(&p, r->flags, 1);
    le_put(&p, n, 2);
    b->n += n;
}

/* What is left of one record; the first shortage sticks. */
struct left {
    const char *p;
    size_t n;
    bool bad;
};

static const char *cut(struct left *l, size_t n)
{
    static const char zeros[32];
    if (l->bad || l->n < n) {
        l->bad = true;
        return n <= sizeof(zeros) ? zeros : NULL;
    }
    const char *p = l->p;
    l->p += n;
    l->n -= n;
    return p;
}

static int64_t cut_money(struct left *l)
{
    uint64_t v = record_le(cut(l, 8), 8);
    if (v > INT64_MAX) {
        l->bad = true;
        return 0;
    }
    return (int64_t)v;
}

static struct str cut_text(struct left *l, size_t max)
{
    size_t n = (size_t)record_le(cut(l, 2), 2);
    if (n > max)
        l->bad = true;
    const char *p = l->bad ? NULL : cut(l, n);
    return l->bad ? str_of("", 0) : str_of(p, n);
}

static void field_take(struct left *l, char field, size_t about_max, struct record *r)
{
    switch (field) {
    case 'i': memcpy(r->id.b, cut(l, 16), 16); return;
    case 'o': memcpy(r->other.b, cut(l, 16), 16); return;
    case 'p': memcpy(r->caps, cut(l, sizeof(r->caps)), sizeof(r->caps)); return;
    case 't': r->at = cut_money(l); return;
    case 'a': r->amount = cut_money(l); return;
    case 'c': r->cost = cut_money(l); return;
    case 'v': r->over = cut_money(l); return;
    case 'x': r->written_off = cut_money(l); return;
    case 'e': r->expires = cut_money(l); return;
    case 'y': r->priority = (int64_t)record_le(cut(l, 8), 8); return;
    case 'k': r->kind = (unsigned)record_le(cut(l, 1), 1); return;
    case 'h': memcpy(r->hash, cut(l, sizeof(r->hash)), sizeof(r->hash)); return;
    case 's': r->about = cut_text(l, about_max); return;
    case 'r': r->reason = cut_text(l, RECORD_REASON_MAX); return;
    default:
        must(field == 'l');
        r->parts = cut_text(l, (size_t)RECORD_PARTS_MAX * RECORD_PART_LEN);
        if (r->parts.n % RECORD_PART_LEN != 0)
            l->bad = true;
        return;
    }
}

/* Each part is some money. */
static bool parts_are_sound(struct str parts)
{
    for (size_t i = 0; i < record_parts(parts); i++)
        if (record_part(parts, i).amount <= 0)
            return false;
    return true;
}

enum err record_take(struct str *s, struct record *ret_record)
{
    if (s->n < RECORD_HEAD_LEN)
        return ERR_CORRUPT;
    unsigned type = (uint8_t)s->p[0], flags = (uint8_t)s->p[1];
    size_t n = (size_t)record_le(s->p + 2, 2);
    if (type >= RECORD_TYPE__COUNT || n < RECORD_HEAD_LEN || n > s->n ||
        (flags & ~shapes[type].flags) != 0)
        return ERR_CORRUPT;
    struct record r = {.type = (enum record_type)type, .flags = flags};
    struct left l = {s->p + RECORD_HEAD_LEN, n - RECORD_HEAD_LEN, false};
    for (const char *f = shapes[type].fields; *f != '\0'; f++)
        field_take(&l, *f, shapes[type].about_max, &r);
    if (l.bad || l.n != 0 || !parts_are_sound(r.parts))
        return ERR_CORRUPT;
    *ret_record = r;
    *s = str_from(*s, n);
    return OK;
}

uint64_t record_le(const char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = bytes; i-- > 0;)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

struct record_part record_part(struct str parts, size_t i)
{
    must((i + 1) * RECORD_PART_LEN <= parts.n);
    struct record_part part;
    memcpy(part.id.b, parts.p + i * RECORD_PART_LEN, sizeof(part.id.b));
    part.amount = (int64_t)record_le(parts.p + i * RECORD_PART_LEN + sizeof(part.id.b), 8);
    return part;
}

void record_part_put(struct buf *b, struct id id, int64_t amount)
{
    char *p = buf_reserve(b, RECORD_PART_LEN);
    must(p != NULL);
    bytes_put(&p, id.b, sizeof(id.b));
    le_put(&p, (uint64_t)amount, 8);
    b->n += RECORD_PART_LEN;
}
