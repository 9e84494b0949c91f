// SPDX-License-Identifier: BSD-2-Clause
//
// SipHash-2-4 of 64-bit words: a number that nobody can tell who does not know the key, nor the key
// from the number (Aumasson and Bernstein, 2012). Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace hitless {

class SipHash {
  public:
    SipHash(uint64_t key0, uint64_t key1)
        : v0_(key0 ^ 0x736f6d6570736575), v1_(key1 ^ 0x646f72616e646f6d),
          v2_(key0 ^ 0x6c7967656e657261), v3_(key1 ^ 0x7465646279746573) {}

    /// As of the bytes of `words` on a little-endian machine.
    uint64_t operator()(std::span<const uint64_t> words) {
        for (uint64_t word : words)
            absorb(word);
        absorb(static_cast<uint64_t>(words.size() * 8) << 56);
        v2_ ^= 0xff;
        for (int i = 0; i < 4; i++)
            round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

  private:
    void absorb(uint64_t word) {
        v3_ ^= word;
        round();
        round();
        v0_ ^= word;
    }
    void round() {
        v0_ += v1_, v2_ += v3_;
        v1_ = std::rotl(v1_, 13) ^ v0_, v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ = std::rotl(v0_, 32);
        v2_ += v1_, v0_ += v3_;
        v1_ = std::rotl(v1_, 17) ^ v2_, v3_ = std::rotl(v3_, 21) ^ v0_;
        v2_ = std::rotl(v2_, 32);
    }

    uint64_t v0_, v1_, v2_, v3_;
};

} // namespace hitless
