#include "adapters/worker/errand.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/worker/environment.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/space.h"

#define CHUNK 65536    /* bytes of one read: what a pipe holds */
#define SAID_SIZE 4096 /* bytes of one line on stderr; a longer one is shown in pieces */
#define LAST_READS 64  /* of an ended child's pipe: who left its group may still write */

/* The text of "question", or all of QUERY, with a line break at the end. */
static void add_question(struct buffer *ret_text, struct span query)
{
    struct span question;
    if (jtext_check(query) == JTEXT_OBJECT && jtext_find(query, "question", &question) &&
        jtext_type(question) == JTEXT_STRING)
        jtext_decode(ret_text, question);
    else
        buffer_add(ret_text, query);
    if (ret_text->size == 0 || ret_text->data[ret_text->size - 1] != '\n')
        buffer_byte(ret_text, '\n');
}

struct errand *errand_new(struct span token, struct span query)
{
    struct errand *self = memory_zero(1, sizeof *self);
    self->child = (struct child){0, -1, -1, -1};
    self->end = -1;
    buffer_add(&self->token, token);
    add_question(&self->input, query);
    self->environment = environment_new(query);
    lines_init(&self->said, SAID_SIZE);
    return self;
}

void errand_destroy(struct errand **self)
{
    struct errand *errand = *self;
    *self = NULL;
    if (!errand)
        return;
    errand_kill(errand);
    buffer_done(&errand->token);
    environment_free(&errand->environment);
    buffer_done(&errand->input);
    buffer_done(&errand->output);
    lines_done(&errand->said);
    free(errand);
}

void errand_kill(struct errand *self)
{
    if (self->child.pid > 0) { /* SIGKILL makes the wait short */
        child_signal(&self->child, SIGKILL);
        waitpid(self->child.pid, NULL, 0);
    }
    self->child.pid = 0;
    child_close(&self->child);
    child_close_end(&self->end);
}

/* posix_spawn() returns when the child has become the program (or could not), so that the limits
 * are the program's own and nobody else's. What it has done by then is to be loaded: it waits for
 * its question, which is written after this. Its own children inherit the limits. */
static void set_limits(const struct errand_limits *limits, pid_t pid)
{
    const struct rlimit no_core = {0, 0};
    const rlim_t bytes = (rlim_t)limits->memory_mib << 20;
    const struct rlimit memory = {bytes, bytes};
    prlimit(pid, RLIMIT_CORE, &no_core, NULL);
    prlimit(pid, RLIMIT_NOFILE, &limits->files, NULL);
    if (limits->memory_mib > 0)
        prlimit(pid, RLIMIT_AS, &memory, NULL);
}

static int watch(struct errand *self, int epoll, enum errand_source source, int descriptor)
{
    struct epoll_event event = {.events = source == ERRAND_INPUT ? EPOLLOUT : EPOLLIN};
    self->watched[source] = (struct errand_watched){self, source};
    event.data.ptr = &self->watched[source];
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : -errno;
}

static void feed(struct errand *self)
{
    while (self->child.input >= 0 && self->sent < self->input.size) {
        ssize_t put =
            write(self->child.input, self->input.data + self->sent, self->input.size - self->sent);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) /* it does not want to know: that is not a failure */
            break;
        self->sent += (size_t)put;
    }
    child_close_end(&self->child.input);
    buffer_done(&self->input);
}

int errand_start(struct errand *self, char *const *command, const struct errand_limits *limits,
                 int epoll)
{
    int code = child_start(&self->child, command, self->environment);
    if (code != 0)
        return code;
    environment_free(&self->environment);
    set_limits(limits, self->child.pid);
    self->end = pidfd_open(self->child.pid, 0);
    code = self->end >= 0 ? watch(self, epoll, ERRAND_END, self->end) : -errno;
    if (code == 0)
        code = watch(self, epoll, ERRAND_OUTPUT, self->child.output);
    if (code == 0)
        code = watch(self, epoll, ERRAND_ERRORS, self->child.errors);
    if (code == 0)
        feed(self);
    if (code == 0 && self->child.input >= 0)
        code = watch(self, epoll, ERRAND_INPUT, self->child.input);
    if (code != 0)
        errand_kill(self);
    return code;
}

static void read_output(struct errand *self)
{
    char chunk[CHUNK];
    ssize_t got = read(self->child.output, chunk, sizeof chunk);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0)
        buffer_add(&self->output, span_of(chunk, (size_t)got));
    self->too_long = self->output.size > LIMIT_FRAME_SIZE;
    if (got > 0 && !self->too_long)
        return;
    child_close_end(&self->child.output);
    if (self->too_long) {
        child_signal(&self->child, SIGKILL);
        buffer_done(&self->output);
    }
}

static void read_errors(struct errand *self)
{
    ssize_t got = lines_read(&self->said, self->child.errors);
    if (got <= 0 && got != -EAGAIN)
        child_close_end(&self->child.errors);
}

/* True when something waits to be read there. */
static bool is_waiting(int descriptor)
{
    struct pollfd item = {.fd = descriptor, .events = POLLIN};
    return descriptor >= 0 && poll(&item, 1, 0) > 0;
}

/* It has ended: reads what it has left in its pipes. */
static bool take_end(struct errand *self)
{
    if (!child_ended(&self->child, &self->how))
        return false;
    for (int i = 0; i < LAST_READS && is_waiting(self->child.errors); i++)
        read_errors(self);
    while (!self->too_long && is_waiting(self->child.output))
        read_output(self);
    child_close(&self->child);
    child_close_end(&self->end);
    return true;
}

bool errand_take(struct errand *self, enum errand_source source)
{
    if (source == ERRAND_END)
        return take_end(self);
    if (source == ERRAND_INPUT)
        feed(self);
    else if (source == ERRAND_OUTPUT)
        read_output(self);
    else
        read_errors(self);
    return false;
}

void errand_drop(struct errand *self)
{
    self->dropped = true;
    child_signal(&self->child, SIGKILL);
    child_close(&self->child);
}

bool errand_said(struct errand *self, struct span *ret_line)
{
    struct span line;
    if (self->dropped)
        return false;
    while (lines_next(&self->said, &line) != 0 ||
           (self->child.pid == 0 && lines_rest(&self->said, &line))) {
        if (space_only(line))
            continue;
        excerpt_write(line, self->last);
        *ret_line = line;
        return true;
    }
    return false;
}

struct span errand_answer(const struct errand *self)
{
    struct span text = buffer_span(&self->output);
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    return text;
}

bool errand_fault(const struct errand *self, const char *program, struct buffer *ret_reason)
{
    if (self->error != 0)
        buffer_format(ret_reason, "cannot start %s: %s", program, strerror(-self->error));
    else if (self->too_long)
        buffer_format(ret_reason, "the program wrote more than %u bytes and was ended",
                      LIMIT_FRAME_SIZE);
    else if (self->how.si_code != CLD_EXITED)
        buffer_format(ret_reason, "the program was killed by signal %d", self->how.si_status);
    else if (self->how.si_status != 0)
        buffer_format(ret_reason, "the program exited with status %d", self->how.si_status);
    else if (space_only(buffer_span(&self->output)))
        buffer_text(ret_reason, "the program wrote no answer");
    else
        return false;
    if (self->last[0] != '\0')
        buffer_format(ret_reason, ", and said %s", self->last);
    return true;
}
