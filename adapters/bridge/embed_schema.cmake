# Writes proto/schema.sql into a C file as two strings, so that the schema has one source.
# cmake -DINPUT=schema.sql -DOUTPUT=schema_sql.c -P embed_schema.cmake
cmake_minimum_required(VERSION 3.22)
set(MARKER "\n-- Tailgate's own tables") # what follows this line is ours

file(READ "${INPUT}" SQL)
string(FIND "${SQL}" "${MARKER}" AT)
if(AT LESS 0)
    message(FATAL_ERROR "${INPUT}: no line begins with \"-- Tailgate's own tables\"")
endif()
string(SUBSTRING "${SQL}" 0 ${AT} BRIDGE)
string(SUBSTRING "${SQL}" ${AT} -1 OURS)

# quote (VARIABLE): its text as a C string literal, one line of text per line of code
function(quote variable)
    set(text "${${variable}}")
    string(REPLACE "\\" "\\\\" text "${text}")
    string(REPLACE "\"" "\\\"" text "${text}")
    string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
    set(${variable} "\n    \"${text}\"" PARENT_SCOPE)
endfunction()
quote(BRIDGE)
quote(OURS)

file(WRITE "${OUTPUT}.new" "/* made from proto/schema.sql by embed_schema.cmake */
#include \"adapters/bridge/schema_sql.h\"

const char schema_sql_bridge[] =${BRIDGE};

const char schema_sql_ours[] =${OURS};
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
