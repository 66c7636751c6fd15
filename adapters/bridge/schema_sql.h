/* The two parts of proto/schema.sql, embedded when Tailgate is built (embed_schema.cmake). */
#ifndef TAILGATE_ADAPTERS_BRIDGE_SCHEMA_SQL_H
#define TAILGATE_ADAPTERS_BRIDGE_SCHEMA_SQL_H

extern const char schema_sql_bridge[]; /* the bridge's tables */
extern const char schema_sql_ours[];   /* the tables named tailgate_* */

#endif
