#include "gateway/problem.h"

#include <errno.h>
#include <string.h>

#include "adapters/c/tailgate.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"

int problem_place(const char *command, const char *name, int error)
{
    switch (error) {
    case -ENOENT:
        return cli_fail(command, CLI_FAILED, "%s: the folder is not there", name);
    case -EISDIR:
        return cli_fail(command, CLI_FAILED, "%s is a folder; name the database file in it", name);
    case -EMLINK:
        return cli_fail(
            command, CLI_NOT_A_BRIDGE,
            "%s has more than one hard link; SQLite would keep a journal for each name and lose "
            "commits, so remove the others or use symbolic links",
            name);
    case -EREMOTE:
        return cli_fail(
            command, CLI_FAILED,
            "%s is on a network file system, where SQLite's locks do not hold; put it on a disk of "
            "this host, and let workers on other hosts connect to the gate",
            name);
    default:
        return cli_fail(command, CLI_FAILED, "%s: %s", name, strerror(-error));
    }
}

int problem_bridge(const char *command, const struct place *place, int error, sqlite3 *db)
{
    const char *file = place->db;
    long holder;
    switch (error) {
    case BRIDGE_NOT_SQLITE:
        return cli_fail(command, CLI_NOT_A_BRIDGE, "%s is not an SQLite database", file);
    case BRIDGE_FOREIGN:
        return cli_fail(command, CLI_NOT_A_BRIDGE,
                        "%s is an SQLite database, but not a bridge; it was left as it is", file);
    case BRIDGE_NEWER:
        return cli_fail(command, CLI_NOT_A_BRIDGE,
                        "%s was used by a newer Tailgate; this one (%s) does not touch it", file,
                        TAILGATE_VERSION);
    case BRIDGE_ABSENT:
        return cli_fail(command, CLI_FAILED,
                        "%s is not there, or not a bridge yet; make it with: tailgate init", file);
    case BRIDGE_BUSY:
        holder = db_lock_holder(place);
        if (holder > 0)
            return cli_fail(command, CLI_FAILED, "%s is locked by process %ld; try again", file,
                            holder);
        return cli_fail(command, CLI_FAILED, "%s is locked by another process; try again", file);
    case BRIDGE_READ_ONLY:
        return cli_fail(command, CLI_FAILED,
                        "%s cannot be written: check the permissions of the file "
                        "and of its folder (SQLite keeps -wal and -shm files there)",
                        file);
    case BRIDGE_FULL:
        return cli_fail(command, CLI_FAILED, "%s: the disk is full", file);
    default:
        if (db)
            return cli_fail(command, CLI_FAILED, "%s: %s (%s)", file, db_error_text(error),
                            db_explain(db));
        return cli_fail(command, CLI_FAILED, "%s: %s", file, db_error_text(error));
    }
}

int problem_certs(const char *command, const char *cert, const char *server_cert)
{
    char why[300];
    if (!cert != !server_cert)
        return cli_fail(command, CLI_USAGE, "--cert and --server-cert go together: --%s is missing",
                        cert ? "server-cert" : "cert");
    if (tailgate_certificates_check(cert, server_cert, why, sizeof why) != TAILGATE_OK)
        return cli_fail(command, CLI_FAILED, "%s", why);
    return -1;
}

int problem_way(const char *command, const char *db, struct place *ret_place, struct gate_way *way)
{
    if ((db != NULL) == (way->gate != NULL))
        return cli_fail(command, CLI_USAGE,
                        "name the bridge database or a gateway: --db FILE or --gate ENDPOINT");
    if (db && (way->cert || way->server_cert))
        return cli_fail(command, CLI_USAGE, "--cert and --server-cert go with --gate");
    if (way->gate && endpoint_read(way->gate) == ENDPOINT_BAD)
        return cli_fail(command, CLI_USAGE, "--gate %s: use ipc://PATH or tcp://HOST:PORT",
                        way->gate);
    if (way->gate)
        return problem_certs(command, way->cert, way->server_cert);
    int error = place_find(db, ret_place);
    way->place = ret_place;
    return error ? problem_place(command, db, error) : -1;
}
