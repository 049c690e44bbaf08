/* SPDX-License-Identifier: Apache-2.0 */
/* The attribute names, span and metric names of OpenTelemetry's semantic conventions that we emit, all
 * of ONE version: change the version here and nowhere else.
 * Source: open-telemetry/semantic-conventions v1.45.0, docs/http, docs/database, docs/network. */
#ifndef SONDE_SPAN_SEMCONV_H
#define SONDE_SPAN_SEMCONV_H

#define SEMCONV_VERSION "1.45.0"
#define SEMCONV_SCHEMA_URL "https://opentelemetry.io/schemas/" SEMCONV_VERSION

#define ATTR_ERROR_TYPE "error.type"
#define ATTR_HTTP_REQUEST_METHOD "http.request.method"
#define ATTR_HTTP_REQUEST_METHOD_ORIGINAL "http.request.method_original"
#define ATTR_HTTP_RESPONSE_STATUS_CODE "http.response.status_code"
#define ATTR_HTTP_ROUTE "http.route"
#define ATTR_HTTP_REQUEST_BODY_SIZE "http.request.body.size"
#define ATTR_HTTP_RESPONSE_BODY_SIZE "http.response.body.size"
#define ATTR_URL_FULL "url.full"
#define ATTR_URL_PATH "url.path"
#define ATTR_URL_QUERY "url.query"
#define ATTR_URL_SCHEME "url.scheme"
#define ATTR_URL_TEMPLATE "url.template"
#define ATTR_USER_AGENT_ORIGINAL "user_agent.original"
#define ATTR_SERVER_ADDRESS "server.address"
#define ATTR_SERVER_PORT "server.port"
#define ATTR_CLIENT_ADDRESS "client.address"
#define ATTR_CLIENT_PORT "client.port"
#define ATTR_NETWORK_PEER_ADDRESS "network.peer.address"
#define ATTR_NETWORK_PEER_PORT "network.peer.port"
#define ATTR_NETWORK_LOCAL_ADDRESS "network.local.address"
#define ATTR_NETWORK_LOCAL_PORT "network.local.port"
#define ATTR_NETWORK_PROTOCOL_NAME "network.protocol.name"
#define ATTR_NETWORK_PROTOCOL_VERSION "network.protocol.version"
#define ATTR_NETWORK_TRANSPORT "network.transport"
#define ATTR_NETWORK_TYPE "network.type"
#define ATTR_DB_SYSTEM_NAME "db.system.name"
#define ATTR_DB_NAMESPACE "db.namespace"
#define ATTR_DB_OPERATION_NAME "db.operation.name"
#define ATTR_DB_OPERATION_BATCH_SIZE "db.operation.batch.size"
#define ATTR_DB_COLLECTION_NAME "db.collection.name"
#define ATTR_DB_QUERY_TEXT "db.query.text"
#define ATTR_DB_QUERY_SUMMARY "db.query.summary"
#define ATTR_DB_STORED_PROCEDURE_NAME "db.stored_procedure.name"
#define ATTR_DB_RESPONSE_STATUS_CODE "db.response.status_code"
#define ATTR_DB_RESPONSE_RETURNED_ROWS "db.response.returned_rows"

/* Not in the conventions: ours. */
#define ATTR_SONDE_LINK_METHOD "sonde.link.method"
#define ATTR_SONDE_LINK_CONFIDENCE "sonde.link.confidence"
#define ATTR_SONDE_SOCKET_QUEUE "sonde.socket_queue.duration"	/* s, before the application read */
#define ATTR_SONDE_ACCEPT_QUEUE "sonde.accept_queue.duration"	/* s */
#define ATTR_SONDE_TIME_TO_FIRST_BYTE "sonde.time_to_first_byte"	/* s, request's first to response's first */
#define ATTR_SONDE_HEAD_CUT "sonde.head_cut"			/* true: part of the head was not captured */

#endif
