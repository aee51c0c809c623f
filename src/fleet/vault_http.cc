#include "fleet/vault_http.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "fleet/vault/repository_files.h"
#include "json/json.h"

namespace sp::fleet {
namespace {

constexpr std::size_t kPiece = 1U << 20U;
constexpr std::string_view kListType = "application/vnd.x.restic.rest.v2";

/// What a request names below /vault/.
struct Place {
  std::string vault;
  std::string repository;
  FileKind kind = FileKind::config;
  /// Empty: the folder itself is listed.
  std::string id;
  /// POST /vault/V/R/?create=true
  bool creates = false;
};

/// What the client is told; `why` where it is refused.
struct Answer {
  int status = 200;
  std::string why;
};

bool isId(std::string_view text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

std::optional<Place> parsePlace(std::string_view target) {
  const auto query = target.find('?');
  const auto parts = split(target.substr(0, query), '/');
  // "", "vault", VAULT, REPOSITORY, then "config", "" or KIND and ID.
  if (parts.size() < 5 || parts[1] != "vault" || parts[2].empty() || parts[3].empty()) return std::nullopt;
  Place place{std::string(parts[2]), std::string(parts[3]), FileKind::config, "", false};
  if (parts.size() == 5) {
    place.creates = parts[4].empty();
    return place.creates || parts[4] == "config" ? std::optional(place) : std::nullopt;
  }
  const auto kind = parseFileKind(parts[4]);
  if (!kind || parts.size() != 6 || (!parts[5].empty() && !isId(parts[5]))) return std::nullopt;
  place.kind = *kind;
  place.id = parts[5];
  return place;
}

struct Range {
  std::uint64_t from = 0;
  std::uint64_t length = 0;
  bool partial = false;
};

/// "bytes=a-b" or "bytes=a-". nullopt: not satisfiable or not understood.
std::optional<Range> parseRange(const net::Headers& headers, std::uint64_t size) {
  const auto header = net::findHeader(headers, "Range");
  if (!header) return Range{0, size, false};
  if (!header->starts_with("bytes=")) return std::nullopt;
  const auto ends = split(header->substr(6), '-');
  if (ends.size() != 2) return std::nullopt;
  const auto from = parseInt(ends[0]);
  const auto last = ends[1].empty() ? std::optional<std::int64_t>(std::numeric_limits<std::int64_t>::max()) : parseInt(ends[1]);
  if (!from || !last || *from < 0 || *last < *from) return std::nullopt;
  const auto start = static_cast<std::uint64_t>(*from);
  if (start > size || (start == size && size > 0)) return std::nullopt;
  const auto until = std::min(
      size, static_cast<std::uint64_t>(*last) == std::numeric_limits<std::int64_t>::max() ? size : static_cast<std::uint64_t>(*last) + 1);
  return Range{start, until - start, true};
}

/// A change of the repository's files. It holds off maintenance while it lives, so that no client's file comes among what a prune has
/// counted, and is refused once the job has ended, however long ago the request was admitted.
class Change {
 public:
  Change(runtime::VaultAccess& access, const runtime::VaultGrant& grant)
      : access_(access), grant_(grant), allowed_(access.beginChange(grant)) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() {
    if (allowed_) access_.changed(grant_);
  }
  bool allowed() const { return allowed_; }

 private:
  runtime::VaultAccess& access_;
  const runtime::VaultGrant& grant_;
  bool allowed_;
};

/// One request under a grant.
class Conversation {
 public:
  Conversation(AgentHttpStream& stream, runtime::VaultAccess& access, const runtime::VaultGrant& grant, const std::string& directory,
               Place place)
      : stream_(stream), access_(access), grant_(grant), files_(directory, grant.vault, grant.repository), place_(std::move(place)) {}

  Result<void> run() {
    const auto& method = stream_.head().method;
    if (place_.creates) return refuse(403, "repositories are made by the server");
    if (method == "GET" && place_.kind != FileKind::config && place_.id.empty()) return list();
    if (method == "GET" || method == "HEAD") return read(method == "HEAD");
    if (method == "POST") return store();
    if (method == "DELETE") return answer(remove());
    return refuse(405, "method " + method + " is not of restic's protocol");
  }

 private:
  Result<void> refuse(int status, std::string_view why) {
    return stream_.respond(status, {{"Content-Type", "text/plain"}}, fmt::format("{}\n", why));
  }

  Result<void> answer(const Answer& what) { return what.status == 200 ? stream_.respond(200, {}, "") : refuse(what.status, what.why); }

  /// As to those that come after their job's end.
  Answer ended() const { return {401, fmt::format("job {} has ended: this credential is not valid any more", grant_.job)}; }

  Result<void> list() {
    auto files = files_.list(place_.kind);
    if (!files) return refuse(500, files.error().message);
    json::Array names;
    for (const auto& file : *files) names.push_back(json::Object{{"name", file.name}, {"size", file.size}});
    return stream_.respond(200, {{"Content-Type", std::string(kListType)}}, json::toText(names));
  }

  Result<void> read(bool head_only) {
    if (place_.kind == FileKind::config && failpoint::hit("vault.opening")) return refuse(503, "made to fail");
    const auto path = files_.pathOf(place_.kind, place_.id);
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat about{};
    if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return refuse(404, "no such file in this repository");
    const auto size = static_cast<std::uint64_t>(about.st_size);
    const net::Headers type{{"Content-Type", "application/octet-stream"}};
    if (head_only) return stream_.respondHead(200, type, size);
    const auto range = parseRange(stream_.head().headers, size);
    if (!range) return stream_.respond(416, {{"Content-Range", fmt::format("bytes */{}", size)}}, "");
    auto headers = type;
    if (range->partial && range->length > 0) {
      headers.push_back({"Content-Range", fmt::format("bytes {}-{}/{}", range->from, range->from + range->length - 1, size)});
    }
    SP_CHECK_OK(stream_.respondHead(range->partial ? 206 : 200, headers, range->length));
    return send(file, *range, path);
  }

  Result<void> send(const os::Fd& file, Range range, const std::string& path) {
    std::string piece;
    while (range.length > 0) {
      piece.resize(std::min<std::uint64_t>(range.length, kPiece));
      const auto got = ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(range.from));
      if (got < 0 && errno == EINTR) continue;
      // The head has promised the bytes: an error cuts the connection and restic asks again.
      if (got <= 0) return failErrno("vault.read", "cannot read " + path, errno);
      SP_CHECK_OK(stream_.write(std::string_view(piece).substr(0, static_cast<std::size_t>(got))));
      range.from += static_cast<std::uint64_t>(got);
      range.length -= static_cast<std::uint64_t>(got);
      access_.moved(grant_, 0, static_cast<std::uint64_t>(got));
    }
    return {};
  }

  Answer notStored(const Error& error) {
    log::warn("a vault file could not be stored", {{"job", grant_.job}, {"error", error.text()}});
    const bool full = error.code == "os.full";
    if (full) access_.full(grant_, error.message);
    return {full ? 507 : 500, error.message};
  }

  bool mayStore() const {
    if (place_.id.empty()) return false;
    if (place_.kind == FileKind::locks) return true;
    return grant_.direction == runtime::VaultDirection::backup &&
           (place_.kind == FileKind::data || place_.kind == FileKind::index || place_.kind == FileKind::snapshots);
  }

  Result<void> store() {
    if (!mayStore()) return refuse(403, "this credential may not store such a file");
    auto upload = files_.begin();
    if (!upload) return answer(notStored(upload.error()));
    while (true) {
      SP_TRY(const auto piece, stream_.readBody(kPiece));
      if (piece.empty()) break;
      if (auto written = upload->write(piece); !written) return answer(notStored(written.error()));
      if (place_.kind == FileKind::data) access_.moved(grant_, piece.size(), 0);
    }
    if (upload->hash() != place_.id) return refuse(400, "the SHA-256 of the body is not the file's name");
    // Told when the change has ended: a client that does not read keeps no maintenance waiting.
    return answer(keep(*upload));
  }

  Answer keep(RepositoryFiles::Upload& upload) {
    const Change change(access_, grant_);
    if (!change.allowed()) return ended();
    if (place_.kind == FileKind::locks) {
      if (auto noted = files_.recordLockMaker(place_.id, grant_.job); !noted) return notStored(noted.error());
    }
    if (place_.kind == FileKind::snapshots) {
      if (auto coming = access_.snapshotComing(grant_, place_.id); !coming) return {503, coming.error().message};
    }
    auto stored = files_.commit(upload, place_.kind, place_.id);
    // Its name is the hash of its bytes, which were just checked: what is there already is the same file, and the client
    // asks again because it never heard that it was stored.
    if (!stored && stored.error().code != "vault.exists") return notStored(stored.error());
    if (place_.kind == FileKind::snapshots) {
      if (auto recorded = access_.snapshotStored(grant_, place_.id); !recorded) return {503, recorded.error().message};
    }
    return {};
  }

  Answer remove() {
    if (place_.kind != FileKind::locks || place_.id.empty()) return {403, "only locks may be deleted"};
    const Change change(access_, grant_);
    if (!change.allowed()) return ended();
    if (!files_.madeLock(place_.id, grant_.job)) return {403, "this lock was not made under this credential"};
    if (auto removed = files_.removeLock(place_.id); !removed) return {500, removed.error().message};
    return {};
  }

  AgentHttpStream& stream_;
  runtime::VaultAccess& access_;
  const runtime::VaultGrant& grant_;
  RepositoryFiles files_;
  Place place_;
};

}  // namespace

void VaultHttp::serve(AgentHttpStream& stream) {
  const auto answer = [&](int status, std::string_view text) {
    const net::Headers headers = status == 401 ? net::Headers{{"WWW-Authenticate", "Basic realm=\"vault\""}} : net::Headers{};
    if (auto sent = stream.respond(status, headers, text); !sent) log::debug("vault client went away", {{"error", sent.error().text()}});
  };
  const auto place = parsePlace(stream.head().target);
  if (!place) return answer(404, "no such place in a vault\n");
  const auto credential = stream.credential();
  if (!credential) return answer(401, "a job's credential is needed\n");
  const auto grant = access_.admit(stream.agent(), credential->first, credential->second);
  // One answer for a wrong secret, a closed job and another agent: who is not admitted learns nothing.
  if (!grant) return answer(401, "this credential is not valid here\n");
  if (grant->vault != place->vault || grant->repository != place->repository)
    return answer(403, "this credential is for another repository\n");
  Conversation conversation(stream, access_, *grant, directory_, *place);
  if (auto done = conversation.run(); !done) log::debug("vault request broken off", {{"job", grant->job}, {"error", done.error().text()}});
}

}  // namespace sp::fleet
