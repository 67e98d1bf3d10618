/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct fy_progress;

void fy_sends_all(struct fy_progress *p);
void fy_sends_test(struct fy_progress *p);
