// The application of a machine made of ami-demo: a PostgreSQL 15 cluster with at least 256 MiB of data, and a writer that
// appends hash-chained rows to two tables in one transaction, all the time (demo_sql.h).
#pragma once

namespace sp::agent {

inline constexpr const char* kPostgresBin = "/usr/lib/postgresql/15/bin";
inline constexpr const char* kPostgresHome = "/var/lib/postgresql";
inline constexpr const char* kPostgresData = "/var/lib/postgresql/data";

/// `stillpoint demo-app`, child of the machine's pid 1: makes the cluster at the first boot (anew if that was interrupted),
/// runs it and the writer, starts what dies again. SIGTERM: writer, then PostgreSQL (fast shutdown), then it ends.
int demoApp();

/// `stillpoint demo-ballast BYTES`: rows of random bytes in PostgreSQL's binary COPY form on standard output.
int demoBallast(const char* bytes);

}  // namespace sp::agent
