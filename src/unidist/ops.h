/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ops of the communication routines. An operation of the program travels under its own op, with
 * its data as body and attachments of the same message. Data without an operation travels under one
 * of the ops below. Nothing else of the routines is on the wire.
 */
#pragma once

#include "wire/bodies.h"

#define FY_OP_OBJECT 0xFFFF0001u  /* (i)send_object: the body is one msgpack object */
#define FY_OP_BUFFER 0xFFFF0002u  /* (i)send_buffer: no body, the bytes are attachment 0 */
#define FY_OP_COMPLEX 0xFFFF0003u /* (i)send_complex_data: like an object */
_Static_assert(FY_OP_OBJECT == FY_OP_ROUTINES_FIRST && FY_OP_COMPLEX == FY_OP_ROUTINES_LAST,
               "what comes with another op is refused");
