/* Fonts, and the letters that are made of others. */
#include "control/paper_font.h"

#include <hpdf_font.h>
#include <unistd.h>

#define DIR "/usr/share/fonts/truetype/"
#define PLAIN DIR "dejavu/DejaVuSans.ttf"
#define BOLD DIR "dejavu/DejaVuSans-Bold.ttf"
#define MORE DIR "wqy/wqy-microhei.ttc" /* its first face */

static HPDF_Font load(HPDF_Doc doc, const char *file)
{
    return HPDF_GetFont(doc, HPDF_LoadTTFontFromFile(doc, file, HPDF_TRUE), "UTF-8");
}

void paper_fonts_open(struct paper_fonts *f, HPDF_Doc doc)
{
    *f = (struct paper_fonts){.doc = doc};
    f->unicode = access(PLAIN, R_OK) == 0 && access(BOLD, R_OK) == 0;
    if (f->unicode) {
        HPDF_UseUTFEncodings(doc);
        f->plain = load(doc, PLAIN);
        f->bold = load(doc, BOLD);
    } else {
        f->plain = HPDF_GetFont(doc, "Helvetica", "WinAnsiEncoding");
        f->bold = HPDF_GetFont(doc, "Helvetica-Bold", "WinAnsiEncoding");
    }
}

/* ---- composite glyphs (OpenType, table glyf) ----
 *
 * libharu puts into the document what is used of a font, and of the parts of composite glyphs those
 * with a number below 32,768, one level deep. The rest is marked here. */

#define PARTS_MAX 16
#define DEPTH_MAX 6
enum { WORDS = 1, SCALE = 8, MORE_PARTS = 32, XY_SCALE = 64, MATRIX = 128 };

static unsigned u16(HPDF_Stream s)
{
    HPDF_BYTE b[2] = {0, 0};
    HPDF_UINT n = 2;
    return HPDF_Stream_Read(s, b, &n) == HPDF_OK && n == 2 ? b[0] * 256u + b[1] : 0;
}

static unsigned skip_of(unsigned flags)
{
    unsigned n = (flags & WORDS) != 0 ? 4 : 2;
    return n + ((flags & SCALE) != 0      ? 2
                : (flags & XY_SCALE) != 0 ? 4
                : (flags & MATRIX) != 0   ? 8
                                          : 0);
}

static size_t parts_read(HPDF_TTFontDefAttr font, unsigned glyph, unsigned parts[PARTS_MAX])
{
    const HPDF_TTF_GryphOffsets *t = &font->glyph_tbl;
    HPDF_UINT32 scale = font->header.index_to_loc_format == 0 ? 2 : 1;
    HPDF_UINT32 at = t->base_offset + t->offsets[glyph] * scale;
    unsigned flags = MORE_PARTS;
    size_t n = 0;
    if (t->offsets[glyph] == t->offsets[glyph + 1] || /* it has no outline */
        HPDF_Stream_Seek(font->stream, (HPDF_INT)at, HPDF_SEEK_SET) != HPDF_OK ||
        (u16(font->stream) & 0x8000) == 0 ||
        HPDF_Stream_Seek(font->stream, 8, HPDF_SEEK_CUR) != HPDF_OK)
        return 0;
    while (n < PARTS_MAX && (flags & MORE_PARTS) != 0) {
        flags = u16(font->stream);
        parts[n++] = u16(font->stream);
        if (HPDF_Stream_Seek(font->stream, (HPDF_INT)skip_of(flags), HPDF_SEEK_CUR) != HPDF_OK)
            break;
    }
    return n;
}

static void parts_mark(HPDF_TTFontDefAttr font, unsigned glyph, int depth)
{
    unsigned parts[PARTS_MAX];
    size_t n = glyph < font->num_glyphs && depth < DEPTH_MAX ? parts_read(font, glyph, parts) : 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i] >= font->num_glyphs)
            continue;
        font->glyph_tbl.flgs[parts[i]] = 1;
        parts_mark(font, parts[i], depth + 1);
    }
}

static bool has(HPDF_Font font, uint32_t code)
{
    const struct _HPDF_FontAttr_Rec *attr = font->attr;
    unsigned glyph = HPDF_TTFontDef_GetGlyphid(attr->fontdef, (HPDF_UINT16)code);
    if (glyph != 0)
        parts_mark(attr->fontdef->attr, glyph, 0);
    return glyph != 0;
}

/* Of these, letters change with their neighbours, or run from right to left, or mean nothing: one
 * after the other they would be another text. (The Unicode Standard, its blocks.) */
static const struct {
    uint16_t from, to;
} not_by_letter[] = {
    {0x0590, 0x109F}, /* Hebrew, Arabic, Syriac; India, Thailand, Laos, Tibet, Burma */
    {0x1100, 0x11FF}, /* Hangul in pieces */
    {0x1700, 0x1CFF}, /* the Philippines, Cambodia, Mongolia, Java, Bali and their neighbours */
    {0xA800, 0xAB2F}, {0xABC0, 0xABFF}, {0xD7B0, 0xD7FF}, /* more of them */
    {0xE000, 0xF8FF}, /* private use */
    {0xFB1D, 0xFDFF}, {0xFE70, 0xFEFE}, /* Hebrew and Arabic in their forms */
};

static bool is_by_letter(uint32_t code)
{
    for (size_t i = 0; i < sizeof(not_by_letter) / sizeof(not_by_letter[0]); i++)
        if (code >= not_by_letter[i].from && code <= not_by_letter[i].to)
            return false;
    return code <= 0xFFFF; /* libharu knows nothing beyond the basic plane */
}

HPDF_Font paper_font_of(struct paper_fonts *f, uint32_t code, bool bold)
{
    HPDF_Font font = bold ? f->bold : f->plain;
    if (!f->unicode || code < 0x80)
        return font;
    if (!is_by_letter(code))
        return NULL;
    if (has(font, code))
        return font;
    if (bold && has(f->plain, code))
        return f->plain;
    if (!f->more_tried && access(MORE, R_OK) == 0)
        f->more = HPDF_GetFont(f->doc, HPDF_LoadTTFontFromFile2(f->doc, MORE, 0, HPDF_TRUE),
                               "UTF-8");
    f->more_tried = true;
    return f->more != NULL && has(f->more, code) ? f->more : NULL;
}
