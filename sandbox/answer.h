/* The shapes of answers: completions, chunks, usage, embeddings, errors.
 * Sources: openrouter/openapi.yaml (ChatResult, ChatStreamChunk, ChatUsage), openai/openapi.json
 * (CreateChatCompletionResponse, …StreamResponse, CreateCompletionResponse,
 * CreateEmbeddingResponse).
 *
 * Owns: nothing.  Needs: base.  Threads: any, on a play that is the caller's.
 * Memory: appends to the caller's buffer.
 * Units: as play.h.
 * Errors: sticky in the buffer.
 * Always: every event ends with a blank line. */
#ifndef SANDBOX_ANSWER_H
#define SANDBOX_ANSWER_H

#include "sandbox/play.h"

/* The whole answer of a call that does not stream. */
void sandbox_answer_whole(struct buf *b, const struct sandbox_play *p);
void sandbox_answer_embeddings(struct buf *b, const struct sandbox_play *p);

/* Fills p->heading; needs p->id_text. */
void sandbox_answer_heading(struct sandbox_play *p);
/* The event of piece p->piece, which is text[from, to); once per choice. */
void sandbox_answer_piece(struct buf *b, const struct sandbox_play *p, size_t from, size_t to);
/* finish_reason of each choice, usage, [DONE]. */
void sandbox_answer_end(struct buf *b, const struct sandbox_play *p);
/* What replaces the end when a stream breaks. */
void sandbox_answer_broken(struct buf *b, const struct sandbox_play *p);

/* An error's body in the dialect's shape; param and code may be NULL. */
void sandbox_answer_error(struct buf *b, enum sandbox_dialect dialect, int status,
                          struct str message, const char *param, const char *code);
/* What the real ones say with this status. */
struct str sandbox_error_message(enum sandbox_dialect dialect, int status);

#endif
