/* The scripted run: a gateway's side of a bridge (tail, store, committer thread) and a guest who
 * writes into the same file, step by step, so that each run makes the same calls in the same order.
 * Nothing is done beside anything else: a step ends when what it has started has ended. */
#ifndef TAILGATE_TESTS_FAULTS_SCRIPT_H
#define TAILGATE_TESTS_FAULTS_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/bridge/place.h"

#define QUESTIONS 19 /* 1 to QUESTIONS, each with the text "question K"; the script leaves 16 */

/* What a question is for the script; those that the table below does not name are PLAIN. */
enum fate {
    FATE_PLAIN,   /* answered */
    FATE_DEAD,    /* an error reply */
    FATE_TAKEN,   /* the guest sets its read flag first; answered where that has not happened */
    FATE_EXPIRED, /* its conversation's time is over */
    FATE_REMOVED, /* the guest deletes it first; answered where that has not happened */
    FATE_DROPPED  /* its client takes it back; answered where that has not happened */
};
enum fate script_fate(int question);
/* It is written in the course of the run; the others stand in the file from the beginning. */
bool script_is_late(int question);
/* The gateway writes it for a client, who has a ticket for it; both question and reply have frames
 * that do not stand in their row. */
bool script_is_request(int question);

/* What has been said to be so, and must hold in the file from then on, whatever happens. */
struct ledger {
    bool asked[QUESTIONS + 1];    /* the guest's INSERT was committed, or the committer said so */
    bool taken[QUESTIONS + 1];    /* its read flag was set by the guest */
    bool removed[QUESTIONS + 1];  /* the guest deleted it */
    bool answered[QUESTIONS + 1]; /* the committer reported the job as committed */
    bool ended[QUESTIONS + 1];    /* the committer reported another end */
};

enum script_end {
    SCRIPT_DONE,    /* all steps were made, by itself */
    SCRIPT_STUCK,   /* the committer goes on trying: it waits for what may pass */
    SCRIPT_DEAD,    /* COMMITTER_DEAD: the gateway ends */
    SCRIPT_STOPPED, /* it could not open, or not read: the gateway ends, or never began */
    SCRIPT_STARVED, /* the guest could not write */
    SCRIPT_REFUSED, /* a job was reported as one that can never be committed */
    SCRIPT_ENDS
};

struct script_run {
    const struct place *place;
    const char *guest_layer;              /* the VFS of the guest's connections */
    struct ledger *ledger;                /* kept up to date */
    void (*told)(const struct ledger *);  /* after each change of it; NULL: nobody */
    void (*paused)(const struct place *); /* before the closing at the end; NULL: nobody */
    bool patient;                         /* what may pass does pass: never STUCK */
    bool trace;                           /* a line for each step */
    long late_changes;   /* set: changes that were tried after the committer was dead, the closing
                          * included */
    bool closing;        /* set: the first fault came while the store was closed, drain included */
    int64_t checkpoints; /* set: that committers tried */
};

/* Runs all steps, then closes in order, whatever the end. */
enum script_end script_play(struct script_run *self);
/* The normal start after anything: answers whatever is unanswered, and closes. */
enum script_end script_recover(struct script_run *self);
const char *script_end_name(enum script_end end);
/* The text of the reply to QUESTION, with a length that no other one has; valid until the next
 * call on this thread. */
const char *script_answer(int question);

#endif
