#include "agent/backup/restic_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

constexpr std::size_t kPiece = 64U << 10U;
constexpr std::size_t kWordsKept = 2000;
constexpr std::size_t kLineMost = 1U << 20U;
constexpr std::uint64_t kHeardMost = 8U << 20U;

}  // namespace

ResticOutput::ResticOutput(std::string folder, ResticListener& listener, std::uint64_t keep)
    : folder_(std::move(folder)), listener_(listener), keep_(keep) {
  recall();
}

void ResticOutput::recall() {
  const auto text = os::readFile(folder_ + "/heard", kHeardMost);
  const auto value = text ? json::parse(*text) : Result<json::Value>(json::Value());
  if (!value || !value->is_object()) return;
  const auto& heard = value->get_object();
  for (auto& stream : streams_) stream.at = static_cast<std::uint64_t>(json::intOr(heard, stream.name, 0));
  words_ = json::textOr(heard, "words");
  if (const auto* kept = json::find(heard, "kept"); kept != nullptr && kept->is_object()) listener_.recall(kept->get_object());
  noted_ = heardBytes();
}

void ResticOutput::read(bool ended) {
  for (auto& stream : streams_) readOne(stream, ended);
}

void ResticOutput::readOne(Stream& stream, bool ended) {
  // Its supervisor may not have made it yet.
  if (!stream.file) stream.file = os::Fd(::open(fmt::format("{}/{}", folder_, stream.name).c_str(), O_RDWR | O_CLOEXEC));
  if (!stream.file) return;
  std::array<char, kPiece> buffer{};
  while (true) {
    const auto got = ::pread(stream.file.get(), buffer.data(), buffer.size(), static_cast<off_t>(stream.at + stream.partial.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    stream.partial.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (auto end = stream.partial.find('\n'); end != std::string::npos; end = stream.partial.find('\n', start)) {
      pass(stream, std::string_view(stream.partial).substr(start, end - start));
      start = end + 1;
    }
    if (stream.partial.size() - start > kLineMost) start = stream.partial.size();
    stream.partial.erase(0, start);
    stream.at += start;
    if (heardBytes() - noted_ >= keep_) shorten();
  }
  if (!ended || stream.partial.empty()) return;
  pass(stream, stream.partial);
  stream.at += stream.partial.size();
  stream.partial.clear();
}

void ResticOutput::pass(Stream& stream, std::string_view line) {
  if (stream.error) keepWords(line);
  listener_.line(stream.error, line);
}

void ResticOutput::keepWords(std::string_view line) {
  std::string said(trim(line));
  if (said.starts_with("{")) {
    // Newer releases say with --json why they end as an object, too.
    const auto parsed = json::parse(plainText(said));
    if (!parsed || !parsed->is_object() || json::textOr(parsed->get_object(), "message_type") != "exit_error") return;
    said = json::textOr(parsed->get_object(), "message");
  }
  if (said.empty()) return;
  words_ += fmt::format("{}{}", words_.empty() ? "" : "; ", said);
  if (words_.size() > kWordsKept) words_.erase(0, words_.size() - kWordsKept);
}

std::string ResticOutput::words() const { return plainText(words_); }

// The note first: what is removed is not read again. Where the file system knows no holes the files grow.
void ResticOutput::shorten() {
  json::Object heard{{"words", words()}, {"kept", listener_.kept()}};
  for (const auto& stream : streams_) heard[stream.name] = stream.at;
  noted_ = heardBytes();
  if (const auto written = os::writeFileDurably(folder_ + "/heard", json::toText(heard)); !written)
    return log::warn("what restic printed is not removed", {{"folder", folder_}, {"why", written.error().text()}});
  for (const auto& stream : streams_)
    if (stream.file && stream.at > 0) [[maybe_unused]]
      const auto ignored = ::fallocate(stream.file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(stream.at));
}

std::string plainText(std::string_view text) {
  std::string out(text);
  if (isUtf8(out)) return out;
  for (auto& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return out;
}

}  // namespace sp::agent
