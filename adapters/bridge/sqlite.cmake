# The target tailgate_sqlite: the system's libsqlite3, or with -DTAILGATE_SQLITE_SOURCE=DIR the
# amalgamation in DIR, linked in. One of the two and never both: with two copies in one process, one
# closing a file would drop the POSIX locks that the other believes it holds.
if(NOT TAILGATE_SQLITE_SOURCE)
    pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
    add_library(tailgate_sqlite INTERFACE)
    target_link_libraries(tailgate_sqlite INTERFACE PkgConfig::SQLITE)
    return()
endif()

get_filename_component(folder "${TAILGATE_SQLITE_SOURCE}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
foreach(file sqlite3.c sqlite3.h)
    if(NOT EXISTS ${folder}/${file} OR IS_DIRECTORY ${folder}/${file})
        message(FATAL_ERROR "TAILGATE_SQLITE_SOURCE: there is no ${file} in ${folder}; name the folder of an "
                            "SQLite amalgamation (sqlite-amalgamation-*.zip from sqlite.org)")
    endif()
endforeach()
foreach(file sqlite3.c sqlite3.h)
    # The same line is in both files of one release.
    file(STRINGS ${folder}/${file} source_id LIMIT_COUNT 1 REGEX "^#define SQLITE_SOURCE_ID +\"")
    if(NOT source_id)
        message(FATAL_ERROR "TAILGATE_SQLITE_SOURCE: ${folder}/${file} is not of an SQLite amalgamation")
    endif()
    list(APPEND source_ids "${source_id}")
endforeach()
list(REMOVE_DUPLICATES source_ids)
list(LENGTH source_ids releases)
file(STRINGS ${folder}/sqlite3.h number LIMIT_COUNT 1 REGEX "^#define SQLITE_VERSION_NUMBER +[0-9]+")
file(STRINGS ${folder}/sqlite3.h version LIMIT_COUNT 1 REGEX "^#define SQLITE_VERSION +\"")
string(REGEX REPLACE ".* ([0-9]+).*" "\\1" number "${number}")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" version "${version}")
if(releases GREATER 1)
    message(FATAL_ERROR "TAILGATE_SQLITE_SOURCE: sqlite3.c and sqlite3.h in ${folder} are of two releases")
elseif(number LESS 3040000)
    message(FATAL_ERROR "TAILGATE_SQLITE_SOURCE: SQLite ${version} in ${folder} is too old; 3.40 is the oldest")
endif()
message(STATUS "SQLite ${version} from ${folder}, linked in")

add_library(tailgate_sqlite STATIC ${folder}/sqlite3.c)
target_include_directories(tailgate_sqlite SYSTEM INTERFACE ${folder})
target_link_libraries(tailgate_sqlite PRIVATE tailgate_sanitizers PUBLIC Threads::Threads m)
target_compile_definitions(tailgate_sqlite
    INTERFACE TAILGATE_SQLITE_LINKED
    PRIVATE
    SQLITE_THREADSAFE=1 SQLITE_DEFAULT_SYNCHRONOUS=2 SQLITE_DEFAULT_WAL_SYNCHRONOUS=2
    SQLITE_DEFAULT_MEMSTATUS=0 SQLITE_OMIT_LOAD_EXTENSION SQLITE_SECURE_DELETE
    # Without usleep() a busy timeout of 20 ms is one of a whole second, in some releases.
    HAVE_USLEEP=1 HAVE_FDATASYNC=1 HAVE_PREAD=1 HAVE_PWRITE=1 USE_PREAD=1
    HAVE_GMTIME_R=1 HAVE_LOCALTIME_R=1 HAVE_ISNAN=1
    # What the schema of a bridge may use in its triggers and indexes, as with Debian's library: an
    # INSERT that fires a trigger on a table of a missing kind would fail.
    SQLITE_ENABLE_FTS3 SQLITE_ENABLE_FTS3_PARENTHESIS SQLITE_ENABLE_FTS4 SQLITE_ENABLE_FTS5
    SQLITE_ENABLE_RTREE SQLITE_ENABLE_MATH_FUNCTIONS SQLITE_ENABLE_COLUMN_METADATA SQLITE_SOUNDEX)
# Its warnings are its authors' business, and it is written in GNU C.
target_compile_options(tailgate_sqlite PRIVATE -w)
set_target_properties(tailgate_sqlite PROPERTIES C_EXTENSIONS ON COMPILE_WARNING_AS_ERROR OFF)
