/* Which font writes which letter.
 *
 * Owns: nothing; fonts belong to the document.
 * Needs: libharu; the fonts of fonts-dejavu-core, and of fonts-wqy-microhei for Chinese, Japanese
 * and Korean.
 * Threads: the document's.
 * Memory: the document's.
 * Units: code points of Unicode.
 * Errors: NULL where no font has the letter, and for scripts that are more than one letter after
 * the other from left to right: no library that the house has can set them.
 * Always: the large font for Chinese, Japanese and Korean is in the document only when a letter was
 * looked for in it. */
#ifndef CONTROL_PAPER_FONT_H
#define CONTROL_PAPER_FONT_H

#include <hpdf.h>
#include <stdbool.h>
#include <stdint.h>

struct paper_fonts {
    HPDF_Doc doc;
    HPDF_Font plain, bold;
    HPDF_Font more; /* what these have not; NULL until it is wanted */
    bool more_tried;
    bool unicode; /* else Latin-1 alone: no font is installed */
};

void paper_fonts_open(struct paper_fonts *f, HPDF_Doc doc);
/* The font for a code point that is to be written; one without a bold where the bold lacks it. */
HPDF_Font paper_font_of(struct paper_fonts *f, uint32_t code, bool bold);

#endif
