/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct fy_channel;
struct fy_progress;
struct fy_record;

enum fy_taken { FY_TAKEN, FY_PAUSED, FY_MALFORMED };
enum fy_taken fy_controls_as_kept(int status);
enum fy_taken fy_controls_take(struct fy_progress *p, struct fy_channel *ch,
                               const struct fy_record *r);
