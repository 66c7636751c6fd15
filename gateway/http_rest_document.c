/* GET /v1/openapi.yaml and /v1/openapi.json. */
#include "gateway/http_rest_inside.h"

void rest_document_yaml(struct http *http, struct http_request *request)
{
    (void)http;
    http_reply(request, 200, "application/yaml", span_str(rest_openapi_yaml));
}

void rest_document_json(struct http *http, struct http_request *request)
{
    (void)http;
    http_reply(request, 200, "application/json", span_str(rest_openapi_json));
}
