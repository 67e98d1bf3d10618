/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry and msgpack: bodies that are objects, and the communication routines.
 *
 * Three layers, each usable without the next:
 *
 *  - a message whose body is one msgpack object, large binaries beside it;
 *  - codecs, which tie extension types to the program's own types;
 *  - the operations of unidist's MPI communication module (release 0.3.0), one
 *    by one, each a few calls of ferry_post_message and ferry_recv.
 *    doc/unidist.md says where the module's other contents are found here.
 *
 * The words and headings of the comments are those of ferry.h. Every function
 * may return FERRY_EINVAL; ferry_last_error() then says what to do. On an error
 * no output argument is touched, unless the comment says so.
 */
#ifndef FERRY_MSGPACK_H
#define FERRY_MSGPACK_H

#include <msgpack.h>

#include "ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The extension type that stands for a binary which travels as an attachment:
 * four bytes, the index of the attachment, little endian. Programs never see
 * it. Packing refuses it, and in decoded objects the binary is in its place. */
#define FERRY_EXT_BINARY 127
/* How deep arrays and maps may be nested, when packing and when decoding. The
 * decoder of msgpack-c ends at 32 levels. */
#define FERRY_DEPTH_MAX 31

/* ---- objects as bodies -------------------------------------------------- */

/*
 * A packer for all the msgpack_pack_...() functions. It appends to the body of
 * a message which the program made. The functions return non-zero when the
 * message can no longer be written or memory is exhausted. They copy binaries
 * into the body, whatever their size; ferry_message_pack attaches large ones.
 *
 * Threads    one at a time a message, as with ferry_message_write.
 * Ownership  the message's; valid until its last reference is released.
 *
 * NULL when message is NULL or memory is exhausted.
 */
FERRY_API msgpack_packer *ferry_message_packer(ferry_message *message);

/*
 * Append an object to the body. Each binary of at least options.out_of_band
 * bytes, wherever it is nested, is attached instead of copied. This function
 * and the packer may take turns on one body: the packer writes an array's
 * header, this function its elements.
 *
 * Threads    one at a time a message.
 * Ownership  the object is read before the return. The binaries that are
 *            attached are borrowed until the message's last reference is gone,
 *            the engine's included. A post whose future completed with 0 no
 *            longer needs them.
 *
 * Errors; the body is as it was
 *   FERRY_EINVAL   nesting is deeper than FERRY_DEPTH_MAX
 *   FERRY_EINVAL   an extension has the type FERRY_EXT_BINARY
 *   FERRY_EINVAL   a type is none of msgpack's
 *   FERRY_ENOMEM   memory is exhausted
 */
FERRY_API int ferry_message_pack(ferry_message *message,
                                 const msgpack_object *object);

/*
 * The object that the body holds. The first call decodes it. Strings and small
 * binaries point into the body, large binaries into the attachments: the
 * address of such a binary is the attachment's.
 *
 * The bytes may come from anybody. So before anything is allocated these are
 * checked: nesting, counts, lengths, references to attachments, and the memory
 * of the result (at most options.decode_memory).
 *
 * Threads    any, several at once: all get the same object.
 * Ownership  the message's; valid until its last reference is released. While
 *            the program still writes the message: until the next write.
 * Errors     FERRY_EDECODE: ferry_last_error() has the offset and the reason,
 *            and the message stays readable as bytes. FERRY_ENOMEM.
 */
FERRY_API int ferry_message_object(ferry_message *message,
                                   const msgpack_object **object_p);

/* ---- codecs ------------------------------------------------------------- */

/*
 * Encode a value of the program: append what describes it to the message, with
 * ferry_message_write or the packer, and attach its large parts. The index of
 * the next attachment is ferry_message_attachments(message). Return 0, or a
 * negative status, which ferry_message_pack_value then returns.
 */
typedef int ferry_encode_fn(ferry_message *message, const void *value,
                            void *arg);
/*
 * Decode one value. `data` is what the encoder wrote, as it came over the wire:
 * check it. An attachment that is not there reads as NULL. Return 0 and
 * *value_p, or a negative status, which ferry_message_value then returns.
 */
typedef int ferry_decode_fn(const ferry_message *message, const void *data,
                            size_t nbytes, void **value_p, void *arg);

/*
 * Tie an extension type to a pair of functions. Either may be NULL if only one
 * direction is needed. Two NULLs remove the codec.
 *
 * Threads    any, but remove a codec only when nobody uses it any more. Closing
 *            the engine removes all codecs.
 *
 * Errors
 *   FERRY_EINVAL   the type is FERRY_EXT_BINARY
 *   FERRY_EALREADY the type has a codec
 *   FERRY_ENOMEM   memory is exhausted
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_codec_register(ferry *engine, int8_t type,
                                   ferry_encode_fn *encode,
                                   ferry_decode_fn *decode, void *arg);

/*
 * Append a value of the program to the body, as an extension of this type.
 *
 * Threads    one at a time a message; the encoder runs inside.
 * Ownership  as the encoder does it.
 *
 * Errors, beside what the encoder returned; body and attachments are as
 * they were
 *   FERRY_EINVAL   the type has no encoder
 *   FERRY_ETOOBIG  more than 4 GiB in the body
 *   FERRY_ENOMEM   memory is exhausted
 */
FERRY_API int ferry_message_pack_value(ferry_message *message, int8_t type,
                                       const void *value);

/*
 * The value that an extension of a decoded object stands for. `extension`
 * belongs to the object of `message`.
 *
 * Threads    any; the decoder runs inside, each time.
 * Ownership  as the decoder does it.
 * Errors     FERRY_EINVAL when it is no extension or its type has no decoder,
 *            and what the decoder returned.
 */
FERRY_API int ferry_message_value(ferry_message *message,
                                  const msgpack_object *extension,
                                  void **value_p);

/* ---- the communication routines ------------------------------------------
 *
 * Their names are those of unidist, and "unidist:" names the original. What
 * holds for all of them:
 *
 * Threads    any, several at once. The blocking ones return FERRY_EDEADLK on
 *            the progress thread, before anything is sent.
 * Blocks     a send until the message is delivered: checked, in order, held by
 *            the target's engine. No receiver need be waiting for it. An `i`
 *            form blocks only while there is no room, as ferry_post. A receive
 *            blocks for `timeout`, then returns FERRY_PENDING.
 * Order      what one thread sends to one rank arrives in that order. An
 *            operation and its data are one message: two threads cannot
 *            interleave them. Receives of one kind yield messages in the order
 *            of their arrival.
 * Ownership  an object is read before the return. Its binaries of at least
 *            options.out_of_band bytes are sent from where they are. They are
 *            borrowed until the future completed with 0, or the message's last
 *            reference is gone. If future_p is NULL they are copied, because
 *            nothing would tell when that is. *message_p and *future_p are the
 *            caller's to release.
 * Completes  a future when the message is delivered, or with its failure.
 *            Delivered does not mean handled or received.
 * Errors     those of ferry_post_message and ferry_recv. After FERRY_EPEER or
 *            FERRY_ESTOPPED from a blocking send the large binaries stay
 *            borrowed until the engine is closed.
 *
 * The object of a received message is ferry_message_object(message). A
 * malformed body is found only there.
 */

/* An object to a rank, delivered on return. unidist: mpi_send_object. */
FERRY_API int ferry_send_object(ferry *engine, int rank,
                                const msgpack_object *object);
/* The same without waiting. unidist: mpi_isend_object. */
FERRY_API int ferry_isend_object(ferry *engine, int rank,
                                 const msgpack_object *object,
                                 ferry_future **future_p);
/* The next object of ferry_(i)send_object from source or FERRY_ANY. unidist:
 * comm.recv of it. */
FERRY_API int ferry_recv_object(ferry *engine, int source, int64_t timeout,
                                ferry_message **message_p);

/*
 * Bytes to a rank, sent from where they are, delivered on return.
 * unidist: mpi_send_buffer; the length needs no message of its own here.
 */
FERRY_API int ferry_send_buffer(ferry *engine, int rank, const void *data,
                                size_t nbytes);
/*
 * The same without waiting. unidist: mpi_isend_buffer.
 *
 * Ownership  with release: data is borrowed until release(data, arg) is called.
 *            If this returned 0 that happens exactly once, on any thread; else
 *            never. Without release: until the future completed with 0. With
 *            neither release nor future_p: the bytes are copied.
 */
FERRY_API int ferry_isend_buffer(ferry *engine, int rank, const void *data,
                                 size_t nbytes, ferry_release_fn *release,
                                 void *arg, ferry_future **future_p);
/*
 * The next bytes of ferry_(i)send_buffer from source or FERRY_ANY, or those of
 * a serialized operation. unidist: mpi_recv_buffer.
 *
 * Ownership  if *data_p is NULL it becomes memory for the bytes, the caller's
 *            to free(); on success it is never NULL. Else the bytes are copied
 *            to the *nbytes_p bytes that the caller has at *data_p. *nbytes_p
 *            becomes the length.
 *
 * Errors
 *   FERRY_ETRUNC   the bytes do not fit. *nbytes_p becomes the length, and
 *                  nothing is written to *data_p. The next ferry_recv_buffer
 *                  for that source, of any thread, yields the bytes; a thread
 *                  that waits in it already is not told. The bytes of an
 *                  operation remain for this thread only
 *   FERRY_EINVAL   the data of this thread's operation of that source is an
 *                  object with attachments
 */
FERRY_API int ferry_recv_buffer(ferry *engine, int source, int64_t timeout,
                                void **data_p, size_t *nbytes_p);

/*
 * An operation and its data, delivered on return. object NULL: an operation
 * without data. A handler of op, ferry_recv or ferry_recv_operation_type
 * receives it. unidist: send_simple_operation, and without data mpi_send_object
 * of an operation.
 */
FERRY_API int ferry_send_simple_operation(ferry *engine, int rank, uint32_t op,
                                          const msgpack_object *object);
/* The same without waiting. unidist: isend_simple_operation. */
FERRY_API int ferry_isend_simple_operation(ferry *engine, int rank, uint32_t op,
                                           const msgpack_object *object,
                                           ferry_future **future_p);
/*
 * The data of the operation that ferry_recv_operation_type gave this thread
 * from source; without one, the next object of ferry_(i)send_object.
 * unidist: recv_simple_operation.
 */
FERRY_API int ferry_recv_simple_operation(ferry *engine, int source,
                                          int64_t timeout,
                                          ferry_message **message_p);

/*
 * An object with large parts, delivered on return. unidist:
 * send_complex_data, which returns what it serialized so that it can be sent
 * again. Here that is *packed_p:
 *   - packed_p NULL: the caller gets no serialized message;
 *   - object given: *packed_p becomes the serialized message, a reference of
 *     the caller's;
 *   - object NULL: *packed_p is sent again, to this rank or another, as data or
 *     as an operation. Nothing is serialized.
 *
 * Ownership  binaries that are borrowed stay so until *packed_p is released,
 *            too.
 */
FERRY_API int ferry_send_complex_data(ferry *engine, int rank,
                                      const msgpack_object *object,
                                      ferry_message **packed_p);
/* The same without waiting. unidist: isend_complex_data. */
FERRY_API int ferry_isend_complex_data(ferry *engine, int rank,
                                       const msgpack_object *object,
                                       ferry_message **packed_p,
                                       ferry_future **future_p);
/*
 * The data of the operation that ferry_recv_operation_type gave this thread
 * from source; without one, the next of ferry_(i)send_complex_data.
 * unidist: recv_complex_data.
 */
FERRY_API int ferry_recv_complex_data(ferry *engine, int source,
                                      int64_t timeout,
                                      ferry_message **message_p);

/*
 * An operation with such an object. object NULL: *packed_p is sent again, under
 * its own operation or another. unidist: isend_complex_operation, where
 * is_serialized says so.
 */
FERRY_API int ferry_isend_complex_operation(ferry *engine, int rank,
                                            uint32_t op,
                                            const msgpack_object *object,
                                            ferry_message **packed_p,
                                            ferry_future **future_p);

/*
 * An operation with bytes that the caller serialized, in whatever way.
 * unidist: isend_serialized_operation.
 *
 * Ownership  data is copied before the return.
 */
FERRY_API int ferry_isend_serialized_operation(ferry *engine, int rank,
                                               uint32_t op, const void *data,
                                               size_t nbytes,
                                               ferry_future **future_p);
/*
 * The data of the operation that ferry_recv_operation_type gave this thread
 * from source; without one, the next of ferry_(i)send_buffer. The bytes are
 * ferry_message_data(message). The caller, who knows what serialized them,
 * decodes them. unidist: recv_serialized_data.
 */
FERRY_API int ferry_recv_serialized_data(ferry *engine, int source,
                                         int64_t timeout,
                                         ferry_message **message_p);
/* The bytes of a message of ferry_recv_serialized_data: the attachment of a
 * buffer, the body of anything else. Ownership: the message's. */
FERRY_API const void *ferry_message_data(const ferry_message *message,
                                         size_t *nbytes_p);

/*
 * The same as ferry_recv_simple_operation, but the thread polls, and sleeps
 * `backoff` ns between polls (0: it only yields the processor). For programs
 * that prefer polling; in ferry_recv_object the thread is woken at once.
 * unidist: mpi_busy_wait_recv, which sleeps 100 us.
 *
 * Blocks     for ever, or until the engine stops or source is gone.
 */
FERRY_API int ferry_busy_wait_recv(ferry *engine, int source, int64_t backoff,
                                   ferry_message **message_p);

/*
 * The next operation from anybody, of all ops that no handler takes.
 * unidist: recv_operation_type.
 *
 * The operation's data is reserved for this thread. The ferry_recv_... routine
 * that the thread calls next for that source (or FERRY_ANY) yields the data,
 * whatever other threads receive. An operation without data leaves nothing to
 * fetch. Data that its thread never fetches is given up when the engine is
 * closed.
 *
 * Errors
 *   FERRY_PENDING  none came in time
 *   FERRY_EINVAL   this thread has not fetched the data of the operation before
 *   FERRY_ENOMEM   memory is exhausted
 */
FERRY_API int ferry_recv_operation_type(ferry *engine, int64_t timeout,
                                        uint32_t *op_p, int *source_p);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MSGPACK_H */
