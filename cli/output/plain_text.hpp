// SPDX-License-Identifier: BSD-2-Clause
//
// The edge at which text for people leaves: an interface name may hold any byte but a space, a
// slash and a colon, and a terminal obeys some of them. Control characters other than line feed and
// tabulator, also those of two bytes in UTF-8 (U+0080 to U+009F), become question marks. What is
// meant to steer a terminal, and what is no text, does not go by here.
//
//   PlainText plain(*std::cout.rdbuf());
//   std::ostream out(&plain);
#pragma once

#include <streambuf>

namespace hitless::cli {

class PlainText : public std::streambuf {
  public:
    explicit PlainText(std::streambuf &to) : to_(to) {}
    PlainText(const PlainText &) = delete;
    PlainText &operator=(const PlainText &) = delete;
    ~PlainText() override { sync(); }

  protected:
    int_type overflow(int_type c) override {
        if (c == traits_type::eof()) return traits_type::not_eof(c);
        auto byte = static_cast<unsigned char>(c);
        if (lead_) {
            lead_ = false;
            if (byte >= 0x80 && byte < 0xa0) return to_.sputc('?');
            if (to_.sputc(static_cast<char>(lead)) == traits_type::eof()) return traits_type::eof();
        }
        if (byte == lead) {
            lead_ = true; // what it is shows with the next
            return c;
        }
        bool control = byte < ' ' && byte != '\n' && byte != '\t';
        return to_.sputc(control ? '?' : static_cast<char>(byte));
    }

    int sync() override {
        if (lead_) to_.sputc(static_cast<char>(lead));
        lead_ = false;
        return to_.pubsync();
    }

  private:
    static constexpr unsigned char lead = 0xc2;
    std::streambuf &to_;
    bool lead_ = false;
};

} // namespace hitless::cli
