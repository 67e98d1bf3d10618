/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of MPI that start an operation of point-to-point communication, as the program
 * calls them. Any thread.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "preload/caller.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/post.h"
#include "preload/start.h"
#include "preload/wait.h"

/* What the usual way of a call does not pay for. */
#define FY_SLOW __attribute__((noinline))

#define ENVELOPE(KIND, PEER, LARGE)                                                      \
	{                                                                                \
		.buffer = (void *)buf, .count = count, .type = datatype, .peer = (PEER), \
		.tag = tag, .comm = comm, .kind = FY_PRELOAD_##KIND, .large = (LARGE)    \
	}

/* Nothing is sent to nobody, or comes from there: MPI's own function does not block. */
#define IS_NOBODY(peer) ((peer) == MPI_PROC_NULL)

/* ---- sends --------------------------------------------------------------------------------- */

#define ISEND(NAME, KIND, COUNT, LARGE)                                                        \
	static FY_SLOW int post_##NAME(const void *buf, COUNT count, MPI_Datatype datatype,    \
	                               int dest, int tag, MPI_Comm comm, MPI_Request *request) \
	{                                                                                      \
		if (fy_caller_way_slow("MPI_" #NAME) != FY_WAY_HELM || IS_NOBODY(dest))        \
			return fy_next.NAME(buf, count, datatype, dest, tag, comm, request);   \
		struct fy_preload_start start = ENVELOPE(KIND, dest, LARGE);                   \
		return fy_preload_post(&start, request);                                       \
	}                                                                                      \
	int MPI_##NAME(const void *buf, COUNT count, MPI_Datatype datatype, int dest, int tag, \
	               MPI_Comm comm, MPI_Request *request)                                    \
	{                                                                                      \
		return fy_caller_passes()                                                      \
		               ? fy_next.NAME(buf, count, datatype, dest, tag, comm, request)  \
		               : post_##NAME(buf, count, datatype, dest, tag, comm, request);  \
	}

/* What blocks, for the only thread: I_NAME is the nonblocking function. */
#define STRAIGHT(I_NAME, PEER, STATUS)                                                       \
	{                                                                                    \
		MPI_Request request;                                                         \
		int code = fy_next.I_NAME(buf, count, datatype, PEER, tag, comm, &request);  \
		return code == MPI_SUCCESS ? fy_preload_wait(&request, STATUS, comm) : code; \
	}

#define SEND(NAME, I_NAME, KIND, COUNT, LARGE)                                                 \
	int MPI_##NAME(const void *buf, COUNT count, MPI_Datatype datatype, int dest, int tag, \
	               MPI_Comm comm)                                                          \
	{                                                                                      \
		enum fy_way way = fy_caller_way();                                             \
		if (way == FY_WAY_OFF || IS_NOBODY(dest))                                      \
			return fy_next.NAME(buf, count, datatype, dest, tag, comm);            \
		if (way == FY_WAY_STRAIGHT)                                                    \
			STRAIGHT(I_NAME, dest, MPI_STATUS_IGNORE)                              \
		struct fy_preload_start start = ENVELOPE(KIND, dest, LARGE);                   \
		return fy_preload_post_block(&start, MPI_STATUS_IGNORE);                       \
	}

ISEND(Isend, SEND, int, false)
ISEND(Ibsend, BSEND, int, false)
ISEND(Issend, SSEND, int, false)
ISEND(Irsend, RSEND, int, false)
SEND(Send, Isend, SEND, int, false)
SEND(Bsend, Ibsend, BSEND, int, false)
SEND(Ssend, Issend, SSEND, int, false)
SEND(Rsend, Irsend, RSEND, int, false)

/* ---- receives ------------------------------------------------------------------------------ */

#define IRECV(NAME, COUNT, LARGE)                                                                 \
	static FY_SLOW int post_##NAME(void *buf, COUNT count, MPI_Datatype datatype, int source, \
	                               int tag, MPI_Comm comm, MPI_Request *request)              \
	{                                                                                         \
		if (fy_caller_way_slow("MPI_" #NAME) != FY_WAY_HELM || IS_NOBODY(source))         \
			return fy_next.NAME(buf, count, datatype, source, tag, comm, request);    \
		struct fy_preload_start start = ENVELOPE(RECV, source, LARGE);                    \
		return fy_preload_post(&start, request);                                          \
	}                                                                                         \
	int MPI_##NAME(void *buf, COUNT count, MPI_Datatype datatype, int source, int tag,        \
	               MPI_Comm comm, MPI_Request *request)                                       \
	{                                                                                         \
		return fy_caller_passes()                                                         \
		               ? fy_next.NAME(buf, count, datatype, source, tag, comm, request)   \
		               : post_##NAME(buf, count, datatype, source, tag, comm, request);   \
	}

#define RECV(NAME, I_NAME, COUNT, LARGE)                                                      \
	int MPI_##NAME(void *buf, COUNT count, MPI_Datatype datatype, int source, int tag,    \
	               MPI_Comm comm, MPI_Status *status)                                     \
	{                                                                                     \
		enum fy_way way = fy_caller_way();                                            \
		if (way == FY_WAY_OFF || IS_NOBODY(source))                                   \
			return fy_next.NAME(buf, count, datatype, source, tag, comm, status); \
		if (way == FY_WAY_STRAIGHT)                                                   \
			STRAIGHT(I_NAME, source, status)                                      \
		struct fy_preload_start start = ENVELOPE(RECV, source, LARGE);                \
		return fy_preload_post_block(&start, status);                                 \
	}

#define MATCHED(COUNT, LARGE)                                                         \
	{                                                                             \
		.buffer = buf, .count = count, .type = datatype, .message = *message, \
		.kind = FY_PRELOAD_MRECV, .large = (LARGE)                            \
	}

/* MPI sets a message that was taken to null. */
#define SET_TAKEN(message, code)                       \
	do {                                           \
		if ((code) == MPI_SUCCESS)             \
			*(message) = MPI_MESSAGE_NULL; \
	} while (0)

#define IMRECV(NAME, COUNT, LARGE)                                                          \
	int MPI_##NAME(void *buf, COUNT count, MPI_Datatype datatype, MPI_Message *message, \
	               MPI_Request *request)                                                \
	{                                                                                   \
		if (fy_caller_way() != FY_WAY_HELM || *message == MPI_MESSAGE_NO_PROC)      \
			return fy_next.NAME(buf, count, datatype, message, request);        \
		struct fy_preload_start start = MATCHED(COUNT, LARGE);                      \
		int code = fy_preload_post(&start, request);                                \
		SET_TAKEN(message, code);                                                   \
		return code;                                                                \
	}

#define MRECV(NAME, COUNT, LARGE)                                                           \
	int MPI_##NAME(void *buf, COUNT count, MPI_Datatype datatype, MPI_Message *message, \
	               MPI_Status *status)                                                  \
	{                                                                                   \
		if (fy_caller_way() == FY_WAY_OFF || *message == MPI_MESSAGE_NO_PROC)       \
			return fy_next.NAME(buf, count, datatype, message, status);         \
		struct fy_preload_start start = MATCHED(COUNT, LARGE);                      \
		int code = fy_preload_post_block(&start, status);                           \
		SET_TAKEN(message, code);                                                   \
		return code;                                                                \
	}

IRECV(Irecv, int, false)
RECV(Recv, Irecv, int, false)
IMRECV(Imrecv, int, false)
MRECV(Mrecv, int, false)

/* ---- both ---------------------------------------------------------------------------------- */

#define SENDRECV(NAME, COUNT, LARGE)                                                              \
	int MPI_##NAME(const void *sendbuf, COUNT sendcount, MPI_Datatype sendtype, int dest,     \
	               int sendtag, void *recvbuf, COUNT recvcount, MPI_Datatype recvtype,        \
	               int source, int recvtag, MPI_Comm comm, MPI_Status *status)                \
	{                                                                                         \
		if (fy_caller_way() == FY_WAY_OFF)                                                \
			return fy_next.NAME(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, \
			                    recvcount, recvtype, source, recvtag, comm, status);  \
		struct fy_preload_start send = { .buffer = (void *)sendbuf,                       \
			                         .count = sendcount,                              \
			                         .type = sendtype,                                \
			                         .peer = dest,                                    \
			                         .tag = sendtag,                                  \
			                         .comm = comm,                                    \
			                         .kind = FY_PRELOAD_SEND,                         \
			                         .large = (LARGE) };                              \
		struct fy_preload_start receive = { .buffer = recvbuf,                            \
			                            .count = recvcount,                           \
			                            .type = recvtype,                             \
			                            .peer = source,                               \
			                            .tag = recvtag,                               \
			                            .comm = comm,                                 \
			                            .kind = FY_PRELOAD_RECV,                      \
			                            .large = (LARGE) };                           \
		if (!fy_preload_start_looks_right(&send) ||                                       \
		    !fy_preload_start_looks_right(&receive))                                      \
			return fy_next.NAME(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, \
			                    recvcount, recvtype, source, recvtag, comm, status);  \
		return fy_preload_post_exchange(&send, &receive, status);                         \
	}

SENDRECV(Sendrecv, int, false)

/* As MPI_Pack. MPICH packs nothing from MPI_BOTTOM, so the addresses are made relative to one of
 * ours. */
static int pack(const void *buf, int count, MPI_Datatype type, struct fy_preload_start *send,
                int size, int *used)
{
	static const char here;
	MPI_Aint to_bottom = -(MPI_Aint)&here;
	MPI_Datatype relative;
	if (buf != MPI_BOTTOM)
		return fy_next.Pack(buf, count, type, send->buffer, size, used, send->comm);
	int code = fy_next.Type_create_hindexed(1, &count, &to_bottom, type, &relative);
	if (code != MPI_SUCCESS)
		return code;
	code = fy_next.Type_commit(&relative);
	if (code == MPI_SUCCESS)
		code = fy_next.Pack(&here, 1, relative, send->buffer, size, used, send->comm);
	fy_next.Type_free(&relative);
	return code;
}

/* What is sent is packed first: the same memory receives. Without memory, and with wrong arguments,
 * MPI's own function is called. */
int MPI_Sendrecv_replace(void *buf, int count, MPI_Datatype datatype, int dest, int sendtag,
                         int source, int recvtag, MPI_Comm comm, MPI_Status *status)
{
	struct fy_preload_start receive = { .buffer = buf,
		                            .count = count,
		                            .type = datatype,
		                            .peer = source,
		                            .tag = recvtag,
		                            .comm = comm,
		                            .kind = FY_PRELOAD_RECV };
	struct fy_preload_start send = receive;
	int size = 0, used = 0, code;
	send.peer = dest;
	send.tag = sendtag;
	send.kind = FY_PRELOAD_SEND;
	bool passes = fy_caller_way() == FY_WAY_OFF || !fy_preload_start_looks_right(&send) ||
	              !fy_preload_start_looks_right(&receive) ||
	              fy_next.Pack_size(count, datatype, comm, &size) != MPI_SUCCESS;
	send.buffer = passes ? NULL : malloc((size_t)size + 1);
	if (!send.buffer)
		return fy_next.Sendrecv_replace(buf, count, datatype, dest, sendtag, source,
		                                recvtag, comm, status);
	code = pack(buf, count, datatype, &send, size, &used);
	send.count = used;
	send.type = MPI_PACKED;
	if (code == MPI_SUCCESS)
		code = fy_preload_post_exchange(&send, &receive, status);
	free(send.buffer);
	return code;
}

/* ---- with large counts --------------------------------------------------------------------- */

#ifdef FY_HAS_Isend_c
ISEND(Isend_c, SEND, MPI_Count, true)
ISEND(Ibsend_c, BSEND, MPI_Count, true)
ISEND(Issend_c, SSEND, MPI_Count, true)
ISEND(Irsend_c, RSEND, MPI_Count, true)
SEND(Send_c, Isend_c, SEND, MPI_Count, true)
SEND(Bsend_c, Ibsend_c, BSEND, MPI_Count, true)
SEND(Ssend_c, Issend_c, SSEND, MPI_Count, true)
SEND(Rsend_c, Irsend_c, RSEND, MPI_Count, true)
IRECV(Irecv_c, MPI_Count, true)
RECV(Recv_c, Irecv_c, MPI_Count, true)
IMRECV(Imrecv_c, MPI_Count, true)
MRECV(Mrecv_c, MPI_Count, true)
SENDRECV(Sendrecv_c, MPI_Count, true)
#endif
