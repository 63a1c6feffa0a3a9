/* The slow lane: blocking handlers on worker threads. The client may leave meanwhile; then the work
 * is done all the same and its reply dropped. */
#include "http/http_in.h"
#include "base/mem.h"

#define REPLY_BODY_MAX (64u * 1024 * 1024)
#define REPLY_ARENA_MAX (8u * 1024 * 1024)

struct http_slow_job {
    struct http_exchange *x;
    struct http_reply reply;
    struct arena arena;
    enum err err;
};

static void slow_work(void *arg)
{
    struct http_slow_job *job = arg;
    const struct http_route *route = job->x->route;
    job->err = route->slow(route->arg, &job->x->request, &job->reply);
}

static void slow_reply(struct http_exchange *x, struct http_slow_job *job)
{
    struct http_reply *r = &job->reply;
    if (job->err == OK && (r->headers.over || r->body.over || job->arena.over))
        job->err = ERR_LIMIT;
    if (job->err != OK) {
        struct str lines = r->headers.over ? STR("") : buf_str(&r->headers);
        http_error(x, job->err, r->message, r->field, lines);
        return;
    }
    http_start(x, r->status != 0 ? r->status : 200);
    http_set_lines(x, buf_str(&r->headers));
    const char *type = r->content_type != NULL ? r->content_type : "application/json";
    http_body(x, r->body.n != 0 ? str_c(type) : STR(""), buf_str(&r->body));
}

static void job_free(struct http_slow_job *job)
{
    buf_fini(&job->reply.headers);
    buf_fini(&job->reply.body);
    arena_fini(&job->arena);
    mem_free(job);
}

static void slow_done(void *arg)
{
    struct http_slow_job *job = arg;
    struct http_exchange *x = job->x;
    x->job = NULL;
    x->s->working--;
    if (x->c != NULL)
        slow_reply(x, job);
    else
        http_exchange_free(x);
    job_free(job);
}

void http_slow_start(struct http_exchange *x)
{
    struct http_slow_job *job = mem_zalloc(sizeof(*job));
    job->x = x;
    buf_init(&job->reply.headers, HTTP_REPLY_HEAD_MAX / 2);
    buf_init(&job->reply.body, REPLY_BODY_MAX);
    arena_init(&job->arena, HTTP_ARENA_CHUNK, REPLY_ARENA_MAX);
    job->reply.arena = &job->arena;
    x->job = job;
    x->s->working++;
    if (loop_work(x->s->loop, slow_work, slow_done, job) == OK)
        return;
    x->job = NULL;
    x->s->working--;
    job_free(job);
    http_error(x, ERR_OVERLOADED, STR(""), STR(""), STR(""));
}
