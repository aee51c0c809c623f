#include "net/frame_reader.h"

#include <gtest/gtest.h>

namespace sp::net {
namespace {

std::string framed(std::string_view content) {
  std::string out(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<char>((content.size() >> (24U - 8U * i)) & 0xffU);
  return out.append(content);
}

std::vector<std::string> readInPieces(std::string_view wire, std::size_t piece) {
  FrameReader reader(100);
  std::vector<std::string> frames;
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    reader.append(wire.substr(at, piece));
    while (true) {
      const auto frame = reader.next();
      if (!frame) {
        frames.push_back(frame.error().code);
        return frames;
      }
      if (!*frame) break;
      frames.emplace_back(**frame);
    }
  }
  EXPECT_EQ(reader.pending(), 0U);
  return frames;
}

TEST(FrameReader, FramesCutAtEveryPieceSize) {
  const auto wire = framed("one") + framed("") + framed(std::string(100, 'x')) + framed("four");
  const std::vector<std::string> expected{"one", "", std::string(100, 'x'), "four"};
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) EXPECT_EQ(readInPieces(wire, piece), expected) << "piece " << piece;
}

// Also when it stands behind good ones that came with it: it must not wait for bytes that never come.
TEST(FrameReader, TooLongFrameIsAnErrorAsSoonAsItsLengthIsThere) {
  const auto wire = framed("one") + std::string("\0\0\0\x65", 4);
  const std::vector<std::string> expected{"one", "net.protocol"};
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) EXPECT_EQ(readInPieces(wire, piece), expected) << "piece " << piece;
}

TEST(FrameReader, PendingCountsWhatIsNoFrameYet) {
  FrameReader reader(100);
  reader.append(framed("a") + std::string(2, '\0'));
  EXPECT_EQ(reader.pending(), 7U);
  EXPECT_EQ(reader.next().value().value_or("none"), "a");
  EXPECT_FALSE(reader.next().value());
  EXPECT_EQ(reader.pending(), 2U);
  reader.append(std::string_view("\0\1b", 3));
  EXPECT_EQ(reader.pending(), 5U);
  EXPECT_EQ(reader.next().value().value_or("none"), "b");
}

}  // namespace
}  // namespace sp::net
