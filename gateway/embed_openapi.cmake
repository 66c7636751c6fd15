# Writes proto/openapi.yaml and .json into a C file as two strings.
# cmake -DINPUT=proto/openapi -DOUTPUT=openapi_text.c -P embed_openapi.cmake
cmake_minimum_required(VERSION 3.22)

# quote (FILE VARIABLE): its text as a C string literal, one line of text per line of code
function(quote file variable)
    file(READ "${file}" text)
    string(REPLACE "\\" "\\\\" text "${text}")
    string(REPLACE "\"" "\\\"" text "${text}")
    string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
    set(${variable} "\n    \"${text}\"" PARENT_SCOPE)
endfunction()
quote("${INPUT}.yaml" YAML)
quote("${INPUT}.json" JSON)

file(WRITE "${OUTPUT}.new" "/* made from proto/openapi.yaml and .json by embed_openapi.cmake */
#include \"gateway/http_rest_inside.h\"

const char rest_openapi_yaml[] =${YAML};

const char rest_openapi_json[] =${JSON};
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
