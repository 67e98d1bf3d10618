/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry and msgpack: bodies that are objects, and the communication routines.
 *
 * Three layers, each usable without the next:
 *
 *  - a message whose body is one msgpack object, large binaries beside it;
 *  - codecs, which tie extension types to the program's own types;
 *  - the operations of unidist's MPI communication module (release 0.3.0),
 *    one by one, thin over post and recv: doc/unidist.md maps the rest.
 *
 * Comments answer, in this order and where there is something to say: Threads,
 * Blocks, Order, Ownership, Completes, then the errors. Every function may
 * return FERRY_EINVAL; ferry_last_error() then says what to do. On an error no
 * output argument is touched, unless the comment says so.
 */
#ifndef FERRY_MSGPACK_H
#define FERRY_MSGPACK_H

#include <msgpack.h>

#include "ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The extension type that stands for a binary that travels as an attachment:
 * four bytes, the index of the attachment, little endian. Programs never see
 * it: it is refused when packing, and decoded objects hold the binary. */
#define FERRY_EXT_BINARY 127
/* So deep may arrays and maps be nested, packing and decoding: what lies below
 * the 32 levels at which the decoder of msgpack-c ends. */
#define FERRY_DEPTH_MAX 31

/* ---- objects as bodies -------------------------------------------------- */

/*
 * A packer that appends to the body of a message which the program made: for
 * all the msgpack_pack_...() functions. They return non-zero when the message
 * can no longer be written or memory is exhausted. Binaries packed so are
 * copied into the body whatever their size; ferry_message_pack lifts them.
 *
 * Threads    one at a time a message, as with ferry_message_write.
 * Ownership  the message's; valid until its last reference is released.
 *
 * NULL when message is NULL or memory is exhausted.
 */
FERRY_API msgpack_packer *ferry_message_packer(ferry_message *message);

/*
 * Append an object to the body. Each binary of at least options.out_of_band
 * bytes, wherever it is nested, is attached instead of copied. It may be
 * mixed with the packer: an array's header by that, its elements by this.
 *
 * Threads    one at a time a message.
 * Ownership  the object is read before the return, but for the binaries that
 *            are attached: they are borrowed until the message's last
 *            reference is gone, the engine's included. A post whose future
 *            completed with 0 no longer needs them.
 *
 * FERRY_EINVAL also for nesting deeper than FERRY_DEPTH_MAX, for an extension
 * of type FERRY_EXT_BINARY and for a type that msgpack does not have;
 * FERRY_ENOMEM. On an error the body is as it was.
 */
FERRY_API int ferry_message_pack(ferry_message *message, const msgpack_object *object);

/*
 * The object that the body is. It is decoded once; strings and small binaries
 * point into the body, large ones into the attachments, so that the address of
 * such a binary is the attachment's.
 *
 * The bytes may come from anybody: nesting, counts, lengths, references to
 * attachments and the memory of the result (at most options.decode_memory) are
 * checked before anything is allocated.
 *
 * Threads    any, several at once: all get the same object.
 * Ownership  the message's; valid until its last reference is released. While
 *            the program still writes the message: until the next write.
 *
 * FERRY_EDECODE: ferry_last_error() has the offset and the reason, and the
 * message stays readable as bytes. FERRY_ENOMEM.
 */
FERRY_API int ferry_message_object(ferry_message *message, const msgpack_object **object_p);

/* ---- codecs ------------------------------------------------------------- */

/*
 * Encodes a value of the program: appends what describes it to the message
 * with ferry_message_write or the packer, and attaches its large parts. The
 * index of what it attaches next is ferry_message_attachments(message).
 * 0, or a negative status, which ferry_message_pack_value returns.
 */
typedef int ferry_encode_fn(ferry_message *message, const void *value, void *arg);
/*
 * Decodes one: `data` is what the encoder wrote, as it came from the wire, so
 * it is to be checked. An attachment that is not there reads as NULL.
 * 0 and *value_p, or a negative status, which ferry_message_value returns.
 */
typedef int ferry_decode_fn(const ferry_message *message, const void *data, size_t nbytes, void **value_p,
                            void *arg);

/*
 * Tie an extension type to a pair of functions; either may be NULL where only
 * one direction is needed, and both NULL take the codec away again.
 *
 * Threads    any; a codec is taken away when nobody uses it any more. Closing
 *            the engine takes all away.
 *
 * FERRY_EINVAL for FERRY_EXT_BINARY, FERRY_EALREADY when the type has a codec,
 * FERRY_ENOMEM, FERRY_ESTOPPED.
 */
FERRY_API int ferry_codec_register(ferry *engine, int8_t type, ferry_encode_fn *encode, ferry_decode_fn *decode,
                                   void *arg);

/*
 * Append a value of the program to the body, as an extension of this type.
 *
 * Threads    one at a time a message; the encoder runs inside.
 * Ownership  as the encoder does it.
 *
 * FERRY_EINVAL when the type has no encoder, what the encoder returned,
 * FERRY_ETOOBIG beyond 4 GiB in the body, FERRY_ENOMEM. On an error body and
 * attachments are as they were.
 */
FERRY_API int ferry_message_pack_value(ferry_message *message, int8_t type, const void *value);

/*
 * The value that an extension of a decoded object stands for. `extension`
 * belongs to the object of `message`.
 *
 * Threads    any; the decoder runs inside, each time.
 * Ownership  as the decoder does it.
 *
 * FERRY_EINVAL when it is no extension or its type has no decoder, else what
 * the decoder returned.
 */
FERRY_API int ferry_message_value(ferry_message *message, const msgpack_object *extension, void **value_p);

/* ---- the communication routines ------------------------------------------
 *
 * What holds for all of them:
 *
 * Threads    any, several at once. The blocking ones return FERRY_EDEADLK on
 *            the progress thread, before anything is sent.
 * Blocks     a send until the message is delivered: checked, in order, held by
 *            the target's engine, where a receiver need not be waiting for it.
 *            An `i` form only while there is no room, as ferry_post. A receive
 *            until `timeout`, and then returns FERRY_PENDING.
 * Order      what one thread sends to one rank arrives in that order. An
 *            operation and its data are one message: two threads cannot
 *            interleave them. Receives of one kind yield in order of arrival.
 * Ownership  an object is read before the return. Its binaries of at least
 *            options.out_of_band bytes are sent from where they are: they are
 *            borrowed until the future completed with 0, or the message's last
 *            reference is gone. Where future_p is NULL nothing would tell when
 *            that is, and they are copied. *message_p is the caller's to
 *            release. *future_p is the caller's to release.
 * Completes  a future when the message is delivered, or with its failure; it
 *            does not mean handled or received.
 *
 * Errors are those of ferry_post_message and ferry_recv. After FERRY_EPEER or
 * FERRY_ESTOPPED from a blocking send the large binaries stay borrowed until
 * the engine is closed. The object of a received message is
 * ferry_message_object(); a body that is malformed fails only there.
 */

/* An object to a rank, delivered on return. unidist: mpi_send_object. */
FERRY_API int ferry_send_object(ferry *engine, int rank, const msgpack_object *object);
/* The same without waiting. unidist: mpi_isend_object. */
FERRY_API int ferry_isend_object(ferry *engine, int rank, const msgpack_object *object, ferry_future **future_p);
/* The next object of ferry_(i)send_object from source or FERRY_ANY. unidist: comm.recv of it. */
FERRY_API int ferry_recv_object(ferry *engine, int source, int64_t timeout, ferry_message **message_p);

/*
 * Bytes to a rank, sent from where they are, delivered on return.
 * unidist: mpi_send_buffer; the length needs no message of its own here.
 */
FERRY_API int ferry_send_buffer(ferry *engine, int rank, const void *data, size_t nbytes);
/*
 * The same without waiting. unidist: mpi_isend_buffer.
 *
 * Ownership  data is borrowed until release(data, arg), which is called
 *            exactly once, on any thread, if this returned 0, and never if it
 *            did not. Without release: until the future completed with 0; with
 *            neither release nor future_p the bytes are copied.
 */
FERRY_API int ferry_isend_buffer(ferry *engine, int rank, const void *data, size_t nbytes,
                                 ferry_release_fn *release, void *arg, ferry_future **future_p);
/*
 * The next bytes of ferry_(i)send_buffer from source or FERRY_ANY, or those of
 * a serialized operation. unidist: mpi_recv_buffer.
 *
 * Ownership  *data_p NULL: memory for the bytes, the caller's to free(), never
 *            NULL on success. Else they are copied to *data_p, *nbytes_p bytes
 *            of the caller's. *nbytes_p becomes the length.
 *
 * FERRY_ETRUNC when they do not fit: *nbytes_p becomes the length, nothing is
 * written to *data_p, and the next ferry_recv_buffer for that source, of any
 * thread, yields them (an operation's: of this thread; one that waits already
 * is not told). FERRY_EINVAL when this thread's operation of that source has an
 * object with attachments for data.
 */
FERRY_API int ferry_recv_buffer(ferry *engine, int source, int64_t timeout, void **data_p, size_t *nbytes_p);

/*
 * An operation and its data, delivered on return; object NULL: an operation
 * without data. Received by a handler of op, by ferry_recv, or by
 * ferry_recv_operation_type. unidist: send_simple_operation, and without data
 * mpi_send_object of an operation.
 */
FERRY_API int ferry_send_simple_operation(ferry *engine, int rank, uint32_t op, const msgpack_object *object);
/* The same without waiting. unidist: isend_simple_operation. */
FERRY_API int ferry_isend_simple_operation(ferry *engine, int rank, uint32_t op, const msgpack_object *object,
                                           ferry_future **future_p);
/*
 * The data of the operation that ferry_recv_operation_type gave this thread
 * from source; without one, the next object of ferry_(i)send_object.
 * unidist: recv_simple_operation.
 */
FERRY_API int ferry_recv_simple_operation(ferry *engine, int source, int64_t timeout, ferry_message **message_p);

/*
 * An object with large parts, delivered on return. packed_p may be NULL;
 * otherwise *packed_p becomes the serialized message, a reference of the
 * caller's, and with object NULL *packed_p is sent again, to this rank or
 * another, as data or as an operation, without serializing anything.
 * unidist: send_complex_data, which returns what it serialized for that.
 *
 * Ownership  what is borrowed stays so until *packed_p is released too.
 */
FERRY_API int ferry_send_complex_data(ferry *engine, int rank, const msgpack_object *object,
                                      ferry_message **packed_p);
/* The same without waiting. unidist: isend_complex_data. */
FERRY_API int ferry_isend_complex_data(ferry *engine, int rank, const msgpack_object *object,
                                       ferry_message **packed_p, ferry_future **future_p);
/*
 * The data of the operation that ferry_recv_operation_type gave this thread
 * from source; without one, the next of ferry_(i)send_complex_data.
 * unidist: recv_complex_data.
 */
FERRY_API int ferry_recv_complex_data(ferry *engine, int source, int64_t timeout, ferry_message **message_p);

/*
 * An operation with such an object; object NULL: *packed_p is sent again, be
 * its operation this one or another. unidist: isend_complex_operation, where
 * is_serialized says so.
 */
FERRY_API int ferry_isend_complex_operation(ferry *engine, int rank, uint32_t op, const msgpack_object *object,
                                            ferry_message **packed_p, ferry_future **future_p);

/*
 * An operation with bytes that the caller serialized, in whatever way.
 * unidist: isend_serialized_operation.
 *
 * Ownership  data is copied before the return.
 */
FERRY_API int ferry_isend_serialized_operation(ferry *engine, int rank, uint32_t op, const void *data,
                                               size_t nbytes, ferry_future **future_p);
/*
 * The data of the operation that ferry_recv_operation_type gave this thread
 * from source; without one, the next of ferry_(i)send_buffer. The bytes are
 * ferry_message_data(message); decoding is left to the caller, who knows what
 * serialized them. unidist: recv_serialized_data.
 */
FERRY_API int ferry_recv_serialized_data(ferry *engine, int source, int64_t timeout, ferry_message **message_p);
/* The bytes of a message of ferry_recv_serialized_data: the attachment of a
 * buffer, the body of anything else. Ownership: the message's. */
FERRY_API const void *ferry_message_data(const ferry_message *message, size_t *nbytes_p);

/*
 * What ferry_recv_simple_operation yields, by polling, and sleeping `backoff`
 * ns between polls (0: it only yields the processor). unidist:
 * mpi_busy_wait_recv, which sleeps 100 us. Kept for programs that want its
 * cost and no other; ferry_recv_object is woken at once.
 *
 * Blocks     for ever, or until the engine stops or source is gone.
 */
FERRY_API int ferry_busy_wait_recv(ferry *engine, int source, int64_t backoff, ferry_message **message_p);

/*
 * The next operation from anybody, of all ops that no handler takes. Its data
 * is reserved for this thread: the ferry_recv_... routine that the thread
 * calls next for that source (or FERRY_ANY) yields it, whatever other threads
 * receive. An operation without data leaves nothing to fetch.
 * unidist: recv_operation_type.
 *
 * FERRY_PENDING when none came in time; FERRY_EINVAL while this thread has not
 * fetched the data of the one before; FERRY_ENOMEM. Data that its thread
 * never fetches is given up when the engine is closed.
 */
FERRY_API int ferry_recv_operation_type(ferry *engine, int64_t timeout, uint32_t *op_p, int *source_p);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MSGPACK_H */
