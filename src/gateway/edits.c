/* Splicing: the client's or the upstream's JSON with a few values exchanged, the rest untouched. */
#include "gateway/edits.h"

void edits_add(struct edits *list, size_t at, size_t n, struct str text)
{
    must(list->n < EDITS_MAX);
    size_t i = list->n++;
    for (; i > 0 && list->e[i - 1].at > at; i--)
        list->e[i] = list->e[i - 1];
    list->e[i] = (struct edit){at, n, text};
    must(i == 0 || list->e[i - 1].at + list->e[i - 1].n <= at);
    must(i + 1 == list->n || at + n <= list->e[i + 1].at);
}

size_t edits_pieces(const struct edits *list, struct str text, struct str *pieces)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct edit *e = &list->e[i];
        must(e->at + e->n <= text.n);
        if (e->at > at)
            pieces[n++] = str_of(text.p + at, e->at - at);
        if (e->text.n != 0)
            pieces[n++] = e->text;
        at = e->at + e->n;
    }
    if (at < text.n)
        pieces[n++] = str_of(text.p + at, text.n - at);
    return n;
}
