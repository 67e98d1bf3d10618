/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_RELEASE_H
#define FY_LINK_RELEASE_H

#include "ferry.h"

struct fy_link;

/* A posted message was sent to that rank, or will not be: the post's reference of it. */
void fy_release_body(struct fy_link *link, int rank, ferry_message *message);

/* The memory of a message is the program's again: from here its release functions run, which is
 * user code. */
void fy_release_message(struct fy_link *link, ferry_message *message);

#endif
