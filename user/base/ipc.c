/* SPDX-License-Identifier: Apache-2.0 */
/* ipc.h: sendmsg/recvmsg with SCM_RIGHTS, non-blocking. */
#include "base/ipc.h"

#include <string.h>
#include <sys/socket.h>

#define IPC_HEAD offsetof(struct ipc_msg, maps)

size_t ipc_size(uint32_t kind)
{
	switch (kind) {
	case IPC_MAPS: return IPC_HEAD + sizeof(struct ipc_maps);
	case IPC_SERVICE: return IPC_HEAD + sizeof(struct service);
	case IPC_TURNS: return IPC_HEAD + sizeof(struct ipc_turns);
	case IPC_PROGRAM: return IPC_HEAD + sizeof(struct ipc_program);
	case IPC_SELF: return IPC_HEAD + sizeof(struct ipc_self);
	case IPC_POLICY: return IPC_HEAD + sizeof(struct ipc_policy);
	case IPC_EXPORTS_OTLP: return IPC_HEAD + sizeof(struct ipc_exports_otlp);
	case IPC_READY: return IPC_HEAD + sizeof(struct ipc_self);
	default: return 0;
	}
}

union fd_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(IPC_FD_COUNT * sizeof(int))];
};

int ipc_send(int fd, const struct ipc_msg *msg, const int *fds, size_t n_fds)
{
	struct iovec iov = { (void *)msg, ipc_size(msg->kind) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_space space;

	if (!iov.iov_len || n_fds > IPC_FD_COUNT)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		memset(&space, 0, sizeof(space));
		h.msg_control = space.bytes;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	if (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

static void fds_take(struct msghdr *h, int *fds, size_t *n_fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*n_fds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t)IPC_FD_COUNT);
		memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
	}
}

int ipc_recv(int fd, struct ipc_msg *msg, int *fds, size_t *n_fds)
{
	struct iovec iov = { msg, sizeof(*msg) };
	union fd_space space;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.bytes,
			    .msg_controllen = sizeof(space) };
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*n_fds = 0;
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	fds_take(&h, fds, n_fds);
	if ((size_t)n < sizeof(msg->kind) || (size_t)n != ipc_size(msg->kind)) {
		for (size_t i = 0; i < *n_fds; i++)
			close(fds[i]);
		*n_fds = 0;
		return -EBADMSG;
	}
	return 0;
}
