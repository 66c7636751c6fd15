#include "adapters/bridge/medium.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/* f_type as in statfs(2) and linux/magic.h. What is not listed is local. */
static const struct {
    uint32_t type;
    enum medium medium;
} known[] = {
    {0x00006969, MEDIUM_NETWORK},  /* NFS */
    {0x0000517B, MEDIUM_NETWORK},  /* SMB */
    {0xFF534D42, MEDIUM_NETWORK},  /* CIFS */
    {0xFE534D42, MEDIUM_NETWORK},  /* SMB 2 */
    {0x0000564C, MEDIUM_NETWORK},  /* NCP */
    {0x5346414F, MEDIUM_NETWORK},  /* AFS */
    {0x6B414653, MEDIUM_NETWORK},  /* kAFS */
    {0x73757245, MEDIUM_NETWORK},  /* Coda */
    {0x00C36400, MEDIUM_NETWORK},  /* Ceph */
    {0x01161970, MEDIUM_NETWORK},  /* GFS2 */
    {0x7461636F, MEDIUM_NETWORK},  /* OCFS2 */
    {0x0BD00BD0, MEDIUM_NETWORK},  /* Lustre */
    {0x20030528, MEDIUM_NETWORK},  /* OrangeFS */
    {0x65735546, MEDIUM_DOUBTFUL}, /* FUSE, virtiofs: anything from a local disk to sshfs */
    {0x01021997, MEDIUM_DOUBTFUL}, /* 9p: a virtual machine's or a sandbox's host */
    {0x786F4256, MEDIUM_DOUBTFUL}, /* VirtualBox' shared folders */
};

int (*medium_statfs)(const char *path, struct statfs *ret_status) = statfs;

int medium_look(const char *path, enum medium *ret_medium)
{
    struct statfs status;

    if (medium_statfs(path, &status) != 0)
        return -errno;
    *ret_medium = MEDIUM_LOCAL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].type == (uint32_t)status.f_type) /* its type's sign differs by machine */
            *ret_medium = known[i].medium;
    return 0;
}
