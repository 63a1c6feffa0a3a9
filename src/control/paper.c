/* A document on paper, from top to bottom. */
#include "control/paper.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/json.h"
#include "control/paper_font.h"

#include <stdio.h>

#define LEFT 56.0f
#define RIGHT (595.0f - 56.0f)
#define TOP (842.0f - 56.0f)
#define BOTTOM 84.0f
#define COLUMN 78.0f
#define GAP 8.0f
#define LINE 14.0f
#define COLUMNS_MAX 8
#define TEXT_MAX_BYTES 2400 /* an address of 600 letters */
#define BOX "\xE2\x96\xA1" /* U+25A1 */

struct paper {
    HPDF_Doc doc;
    HPDF_Page pages[PAPER_PAGES_MAX];
    HPDF_Page page;
    size_t pages_n;
    struct paper_fonts fonts;
    float y;
    float color[3];
    struct arena arena;
    struct str number, brand;
    uint32_t missing; /* the first code point that is a box; 0: none */
    bool over;
};

/* ---- text ---- */

/* One code point of well-formed UTF-8; moves on. */
static uint32_t code_next(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n && p[i] != '\0'; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    *text += n;
    return c;
}

/* It changes how others look, or which way they go, and is nothing by itself. */
static bool is_invisible(uint32_t code)
{
    return code == 0xAD || code == 0xFEFF || (code >= 0x200B && code <= 0x200F) ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
           (code >= 0xFE00 && code <= 0xFE0F) || (code >= 0xE0000 && code <= 0xE0FFF);
}

static bool is_written(struct paper *p, uint32_t code)
{
    if (!p->fonts.unicode)
        return code < 0x80 || (code >= 0xA0 && code <= 0xFF);
    return paper_font_of(&p->fonts, code, false) != NULL;
}

/* What cannot be written is one box, up to what can be again: nobody must think that this is all
 * that the text says. */
static void write_or_box(struct paper *p, struct str s, struct buf *b)
{
    const char *at = s.p, *end = at + s.n;
    bool boxed = false;
    while (at < end) {
        const char *from = at;
        uint32_t code = code_next(&at);
        if (is_invisible(code))
            continue;
        bool box = !is_written(p, code);
        if (box && !boxed)
            buf_add(b, p->fonts.unicode ? STR(BOX) : STR("?"));
        else if (!box && p->fonts.unicode)
            buf_add(b, str_of(from, (size_t)(at - from)));
        else if (!box)
            buf_byte(b, (char)code);
        if (box && p->missing == 0)
            p->missing = code;
        boxed = box;
    }
}

static const char *printable(struct paper *p, struct str s)
{
    struct buf b;
    s = str_upto(s, TEXT_MAX_BYTES);
    while (s.n != 0 && !str_is_utf8(s))
        s.n--;
    s = arena_dup(&p->arena, s); /* ends with a zero, as code_next needs it */
    buf_init(&b, 4 * TEXT_MAX_BYTES);
    write_or_box(p, s, &b);
    const char *kept = arena_dup(&p->arena, str_trim(buf_str(&b))).p;
    buf_fini(&b);
    p->over = p->over || p->arena.over;
    return p->over ? "" : kept;
}

/* The longest beginning of the text that one font can write; *ret_end: behind it. */
static HPDF_Font run_of(struct paper *p, const char *text, bool bold, const char **ret_end)
{
    HPDF_Font font = NULL, any = bold ? p->fonts.bold : p->fonts.plain;
    while (*text != '\0') {
        const char *at = text + 1;
        HPDF_Font f = any;
        if (p->fonts.unicode) {
            at = text;
            f = paper_font_of(&p->fonts, code_next(&at), bold);
            f = f != NULL ? f : any;
        }
        if (font != NULL && f != font)
            break;
        font = f;
        text = at;
    }
    *ret_end = text;
    return font;
}

/* From x, or, with `draw` false, only measured. */
static float write_at(struct paper *p, float x, const char *text, bool bold, float size, bool draw)
{
    char run[4 * TEXT_MAX_BYTES];
    float w = 0;
    while (*text != '\0') {
        const char *end;
        HPDF_Font font = run_of(p, text, bold, &end);
        snprintf(run, sizeof(run), "%.*s", (int)(end - text), text);
        HPDF_Page_SetFontAndSize(p->page, font, size);
        if (draw) {
            /* One that has no bold: its outlines are drawn as well. */
            bool thin = bold && font != p->fonts.bold;
            HPDF_RGBColor ink = HPDF_Page_GetRGBFill(p->page);
            HPDF_Page_SetRGBStroke(p->page, ink.r, ink.g, ink.b);
            HPDF_Page_SetLineWidth(p->page, size / 36);
            HPDF_Page_BeginText(p->page);
            HPDF_Page_SetTextRenderingMode(p->page, thin ? HPDF_FILL_THEN_STROKE : HPDF_FILL);
            HPDF_Page_TextOut(p->page, x + w, p->y, run);
            HPDF_Page_EndText(p->page);
        }
        w += HPDF_Page_TextWidth(p->page, run);
        text = end;
    }
    return w;
}

/* Behind the longest beginning that is not wider. */
static const char *fits(struct paper *p, const char *text, bool bold, float size, float most)
{
    const char *end = text;
    float w = 0;
    for (const char *next = text; *next != '\0'; end = next) {
        char one[5] = "";
        if (p->fonts.unicode)
            (void)code_next(&next);
        else
            next++;
        memcpy(one, end, (size_t)(next - end));
        w += write_at(p, 0, one, bold, size, false);
        if (w > most)
            break;
    }
    return end;
}

/* What does not fit ends with an ellipsis. */
static const char *fitting(struct paper *p, struct str s, bool bold, float size, float most)
{
    const char *text = printable(p, s), *dots = p->fonts.unicode ? "\xE2\x80\xA6" : "...";
    if (write_at(p, 0, text, bold, size, false) <= most)
        return text;
    most -= write_at(p, 0, dots, bold, size, false);
    const char *end = fits(p, text, bold, size, most);
    struct str cut = arena_printf(&p->arena, "%.*s%s", (int)(end - text), text, dots);
    p->over = p->over || p->arena.over;
    return p->over ? "" : cut.p;
}

static void put(struct paper *p, float x, struct str s, bool bold, float size, float most)
{
    (void)write_at(p, x, fitting(p, s, bold, size, most), bold, size, true);
}

/* On as many lines as it needs, broken at blanks where there are any. */
static void put_whole(struct paper *p, float x, struct str s, bool bold, float size, float most)
{
    for (const char *text = printable(p, s), *rest = text; *text != '\0'; text = rest) {
        const char *end = fits(p, text, bold, size, most), *blank = end;
        if (end == text)
            return; /* not one letter */
        while (*end != '\0' && blank > text && *blank != ' ')
            blank--;
        rest = *end != '\0' && blank > text ? blank : end;
        struct str line = arena_dup(&p->arena, str_of(text, (size_t)(rest - text)));
        p->over = p->over || p->arena.over;
        p->y -= LINE;
        (void)write_at(p, x, line.p, bold, size, true);
        while (*rest == ' ')
            rest++;
    }
}

static void put_right(struct paper *p, float x, struct str s, bool bold, float size, float most)
{
    const char *text = fitting(p, s, bold, size, most);
    (void)write_at(p, x - write_at(p, 0, text, bold, size, false), text, bold, size, true);
}

static void ink(struct paper *p, float level)
{
    HPDF_Page_SetRGBFill(p->page, level, level, level);
}

static void rule(struct paper *p, float from, float level)
{
    HPDF_Page_SetRGBStroke(p->page, level, level, level);
    HPDF_Page_SetLineWidth(p->page, 0.6f);
    HPDF_Page_MoveTo(p->page, from, p->y);
    HPDF_Page_LineTo(p->page, RIGHT, p->y);
    HPDF_Page_Stroke(p->page);
}

/* ---- pages ---- */

static void new_page(struct paper *p)
{
    if (p->pages_n == PAPER_PAGES_MAX) {
        p->over = true;
        p->y = TOP;
        return;
    }
    p->page = p->pages[p->pages_n++] = HPDF_AddPage(p->doc);
    HPDF_Page_SetSize(p->page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT);
    HPDF_Page_SetRGBFill(p->page, p->color[0], p->color[1], p->color[2]);
    HPDF_Page_Rectangle(p->page, 0, 842.0f - 6.0f, 595.0f, 6.0f);
    HPDF_Page_Fill(p->page);
    ink(p, 0.1f);
    p->y = TOP;
}

static bool room_for(struct paper *p, float height)
{
    if (p->y - height >= BOTTOM)
        return true;
    new_page(p);
    return false;
}

static void footers(struct paper *p)
{
    for (size_t i = 0; i < p->pages_n; i++) {
        p->page = p->pages[i];
        p->y = 48.0f;
        ink(p, 0.45f);
        put(p, LEFT, arena_printf(&p->arena, "%.*s  %.*s", STR_ARG(p->brand), STR_ARG(p->number)),
            false, 8, 300);
        put_right(p, RIGHT, arena_printf(&p->arena, "Page %zu of %zu", i + 1, p->pages_n), false, 8,
                  120);
    }
}

/* ---- parts ---- */

static struct str text_of(struct paper *p, struct str value)
{
    struct str s = STR("");
    return value.n != 0 && json_string(&p->arena, value, &s) == OK ? s : STR("");
}

static struct str member(struct paper *p, struct str object, const char *name)
{
    return text_of(p, json_get(object, str_c(name)));
}

/* Who sells or buys, whole; returns where it ends. */
static float party(struct paper *p, float x, const char *label, struct str list)
{
    float top = p->y;
    bool first = true;
    struct json_walk w = json_walk_of(list);
    ink(p, 0.45f);
    put(p, x, str_c(label), false, 8.5f, 220);
    ink(p, 0.1f);
    while (json_next(&w)) {
        put_whole(p, x, text_of(p, w.value), first, 9.5f, 220);
        first = false;
    }
    float end = p->y;
    p->y = top;
    return end;
}

static void head(struct paper *p, struct str document)
{
    struct json_walk w = json_walk_of(json_get(document, STR("facts")));
    p->y -= 10;
    HPDF_Page_SetRGBFill(p->page, p->color[0], p->color[1], p->color[2]);
    put(p, LEFT, p->brand, true, 15, 240);
    ink(p, 0.1f);
    put_right(p, RIGHT, member(p, document, "title"), true, 20, 240);
    p->y -= 26;
    ink(p, 0.45f);
    put(p, LEFT, STR("Number"), false, 9, 100);
    ink(p, 0.1f);
    put(p, LEFT + 100, p->number, false, 9, 300);
    while (json_next(&w)) {
        struct json_walk pair = json_walk_of(w.value);
        struct str label = json_next(&pair) ? text_of(p, pair.value) : STR("");
        struct str value = json_next(&pair) ? text_of(p, pair.value) : STR("");
        p->y -= 14;
        ink(p, 0.45f);
        put(p, LEFT, label, false, 9, 96);
        ink(p, 0.1f);
        put(p, LEFT + 100, value, false, 9, 380);
    }
    p->y -= 30;
    float a = party(p, LEFT, "From", json_get(document, STR("seller")));
    float b = party(p, LEFT + 250, "To", json_get(document, STR("buyer")));
    p->y = (a < b ? a : b) - 34;
}

static void row(struct paper *p, struct str cells, size_t n, bool bold, float size)
{
    struct json_walk w = json_walk_of(cells);
    for (size_t i = 0; i < n && json_next(&w); i++) {
        struct str s = text_of(p, w.value);
        float right = RIGHT - (float)(n - 1 - i) * COLUMN;
        if (i == 0)
            put(p, LEFT, s, bold, size, right - LEFT - GAP);
        else
            put_right(p, right, s, bold, size, COLUMN - GAP);
    }
}

static void columns(struct paper *p, struct str list, size_t n)
{
    ink(p, 0.45f);
    row(p, list, n, false, 8.5f);
    p->y -= 6;
    rule(p, LEFT, 0.6f);
    p->y -= 14;
    ink(p, 0.1f);
}

static void section(struct paper *p, struct str s)
{
    struct str list = json_get(s, STR("columns"));
    struct json_walk w = json_walk_of(list);
    size_t n = 0;
    while (n < COLUMNS_MAX && json_next(&w))
        n++;
    (void)room_for(p, 74);
    struct str heading = member(p, s, "heading");
    if (heading.n != 0) {
        ink(p, 0.1f);
        put(p, LEFT, heading, true, 11, RIGHT - LEFT);
        p->y -= 20;
    }
    columns(p, list, n);
    w = json_walk_of(json_get(s, STR("rows")));
    while (json_next(&w) && !p->over) {
        if (!room_for(p, 22))
            columns(p, list, n);
        row(p, w.value, n, false, 9);
        p->y -= 5.5f;
        rule(p, LEFT, 0.9f);
        p->y -= 12.5f;
    }
    p->y -= 20;
}

static void totals(struct paper *p, struct str list)
{
    struct json_walk w = json_walk_of(list), ahead = w;
    bool more = json_next(&ahead);
    (void)room_for(p, 70);
    p->y += 12;
    while (json_next(&w)) {
        struct json_walk pair = json_walk_of(w.value);
        struct str label = json_next(&pair) ? text_of(p, pair.value) : STR("");
        struct str value = json_next(&pair) ? text_of(p, pair.value) : STR("");
        more = json_next(&ahead);
        if (!more) {
            p->y += 8;
            rule(p, RIGHT - 220, 0.4f);
            p->y -= 18;
        }
        ink(p, 0.1f);
        put(p, RIGHT - 220, label, !more, more ? 9.5f : 11.5f, 120);
        put_right(p, RIGHT, value, !more, more ? 9.5f : 11.5f, 96);
        p->y -= 18;
    }
}

static void note_line(struct paper *p, struct str line)
{
    (void)room_for(p, 14);
    ink(p, 0.45f);
    put(p, LEFT, line, false, 8.5f, RIGHT - LEFT);
    p->y -= 13;
}

static void note(struct paper *p, struct str text)
{
    p->y -= 16;
    while (text.n != 0)
        note_line(p, str_cut(&text, '\n'));
    if (p->missing != 0)
        note_line(p, p->fonts.unicode
                         ? STR(BOX " stands for letters that could not be printed here.")
                         : STR("? also stands for letters that could not be printed here."));
}

/* ---- the whole ---- */

static enum err save(struct paper *p, struct buf *out)
{
    HPDF_BYTE bytes[8192];
    HPDF_SaveToStream(p->doc);
    HPDF_ResetStream(p->doc);
    for (;;) {
        HPDF_UINT32 n = sizeof(bytes);
        HPDF_STATUS s = HPDF_ReadFromStream(p->doc, bytes, &n);
        buf_add(out, str_of((const char *)bytes, n));
        if (s != HPDF_OK || n < sizeof(bytes))
            break;
    }
    return buf_check(out);
}

enum err paper_draw(struct str document, struct str number, struct buf *ret_pdf,
                    uint32_t *ret_missing)
{
    struct paper p = {.doc = HPDF_New(NULL, NULL), .number = number};
    uint8_t rgb[3] = {0x2F, 0x5B, 0xEA};
    if (p.doc == NULL)
        return ERR_LIMIT;
    arena_init(&p.arena, 64u * 1024, 32u * 1024 * 1024);
    HPDF_SetCompressionMode(p.doc, HPDF_COMP_ALL);
    paper_fonts_open(&p.fonts, p.doc);
    p.brand = member(&p, document, "brand");
    (void)crypto_unhex(str_from(member(&p, document, "color"), 1), rgb, sizeof(rgb));
    for (size_t i = 0; i < 3; i++)
        p.color[i] = (float)rgb[i] / 255.0f;
    HPDF_SetInfoAttr(p.doc, HPDF_INFO_TITLE, arena_dup(&p.arena, number).p);
    new_page(&p);
    head(&p, document);
    struct json_walk w = json_walk_of(json_get(document, STR("sections")));
    while (json_next(&w) && !p.over)
        section(&p, w.value);
    totals(&p, json_get(document, STR("totals")));
    note(&p, member(&p, document, "note"));
    footers(&p);
    enum err e = p.over ? ERR_LIMIT : HPDF_GetError(p.doc) != HPDF_OK ? ERR_CORRUPT : OK;
    if (e == OK)
        e = save(&p, ret_pdf);
    if (e == OK)
        *ret_missing = p.missing;
    HPDF_Free(p.doc);
    arena_fini(&p.arena);
    return e;
}
