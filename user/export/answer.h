/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the protobuf messages an OTLP endpoint answers with. Input is hostile. Pure.
 * Source: opentelemetry-proto collector/{trace,metrics}/v1, google/rpc/{status,error_details}.proto. */
#ifndef SONDE_EXPORT_ANSWER_H
#define SONDE_EXPORT_ANSWER_H

#include "base/str.h"

/* Export*ServiceResponse: what partial_success says (both signals number its fields alike). False when
 * it is not a protobuf message. */
bool answer_partial(struct str in, uint64_t *rejected, struct str *message);

/* google.rpc.Status: message, and RetryInfo.retry_delay among the details (*has_delay says whether). */
bool answer_status(struct str in, struct str *message, bool *has_delay, uint32_t *delay_ms);

/* Base64 without line breaks, padded or not (a gRPC "-bin" header). Bytes written, or -EBADMSG, -ENOSPC. */
ssize_t answer_base64(struct str in, uint8_t *out, size_t size);

#endif
