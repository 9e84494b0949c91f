// SPDX-License-Identifier: BSD-2-Clause
//
// fmt, compiled once for the whole tree: as a header it costs each file three seconds, and Debian's
// libfmt would be one library more to depend on. The functions are weak, as those of a header are:
// a program that links libhitless.a and fmt as well has them twice, and the linker takes one.
#include <fmt/format.h>
#undef FMT_FUNC
#define FMT_FUNC [[gnu::weak]]
#include <fmt/format-inl.h>

// What the headers declare `extern template`, or leave to fmt's own source file.
FMT_BEGIN_NAMESPACE
namespace detail {

template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template locale_ref::locale_ref(const std::locale &);
template std::locale locale_ref::get<std::locale>() const;
template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template void buffer<char>::append(const char *, const char *);
template void vformat_to(buffer<char> &, string_view, basic_format_args<buffer_context<char>>,
                         locale_ref);

} // namespace detail
FMT_END_NAMESPACE
