// SPDX-License-Identifier: BSD-2-Clause
//
// The words of the project: addresses, errors, and the selector of a primary.
#include "loader/core/error.hpp"
#include "loader/core/pairing.hpp"
#include "loader/core/shell_quoted.hpp"

#include <cerrno>
#include <gtest/gtest.h>

namespace hitless::test {
namespace {

TEST(Mac, IsReadAndWritten) {
    for (const char *text : {"00:00:00:00:00:00", "52:54:00:12:34:56", "ff:ff:ff:ff:ff:ff"}) {
        auto mac = Mac::parse(text);
        ASSERT_TRUE(mac) << text;
        EXPECT_EQ(mac->text(), text);
    }
    EXPECT_EQ(Mac::parse("AA:bb:Cc:00:00:01")->text(), "aa:bb:cc:00:00:01");
    EXPECT_TRUE(Mac::parse("00:00:00:00:00:00")->empty());
    EXPECT_FALSE(Mac::parse("00:00:00:00:00:01")->empty());
}

TEST(Mac, GarbageIsNoAddress) {
    for (const char *text :
         {"", ":", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567", "52-54-00-12-34-56",
          "52:54:00:12:34:5g", " 52:54:00:12:34:5", "52:54:00:12:34:+5", "52:54:00:12:34:-5",
          "5:254:00:12:34:56", "525400123456", "52:54:00:12:34:56:78", "0x:54:00:12:34:56",
          "52:54:00:12:34:\n6"})
        EXPECT_FALSE(Mac::parse(text)) << '"' << text << '"';
    EXPECT_FALSE(Mac::parse(std::string_view("52:54:00:12\0:34:5", 17)));
}

TEST(Error, IsActionCauseAndWayOut) {
    Error error(EOPNOTSUPP, "attach tc egress to eth1", "load the sch_ingress module");
    EXPECT_STREQ(
        error.what(),
        "attach tc egress to eth1: Operation not supported (95); load the sch_ingress module");
    EXPECT_EQ(error.code(), EOPNOTSUPP);
}

TEST(Error, KeepsItsWayOutApart) {
    Error error(EINVAL, "pair eth0 with eth0", "standby and primary are one device; both",
                "name 2");
    EXPECT_EQ(error.problem(), "pair eth0 with eth0: standby and primary are one device; both");
    EXPECT_EQ(error.way_out(), "name 2");
    Error without(ENODEV, "bring eth1 up");
    EXPECT_EQ(without.problem(), without.what());
    EXPECT_EQ(without.way_out(), "");
}

TEST(Error, LeavesOutAWayOutThatIsNotThere) {
    EXPECT_STREQ(Error(ENODEV, "bring eth1 up").what(), "bring eth1 up: No such device (19)");
}

TEST(Error, ACauseInWordsStandsInThePlaceOfErrno) {
    Error error(EINVAL, "pair eth0 with eth0", "standby and primary are one device", "name two");
    EXPECT_STREQ(error.what(), "pair eth0 with eth0: standby and primary are one device; name two");
    EXPECT_EQ(error.code(), EINVAL);
}

TEST(ShellQuoted, IsOneWordOfAShell) {
    for (const char *plain : {"eth0", "ens3f0np0", "eth0.100", "/run/hitless", "a:b@c-d_e+f=g%h,i"})
        EXPECT_EQ(shell_quoted(plain), plain);
    EXPECT_EQ(shell_quoted("a;b"), "'a;b'");
    EXPECT_EQ(shell_quoted("$x"), "'$x'");
    EXPECT_EQ(shell_quoted("*"), "'*'");
    EXPECT_EQ(shell_quoted("a b"), "'a b'");
    EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_quoted(""), "''");
}

struct Form {
    const char *text;
    hl_selector_kind kind;
    const char *arg;
};

TEST(Selector, ReadsEveryFormAndWritesItBack) {
    for (const Form &form : {
             Form{"auto", HL_SELECT_AUTO, ""},
             Form{"mac", HL_SELECT_MAC, ""},
             Form{"eth1", HL_SELECT_IFNAME, "eth1"},
             Form{"automatic", HL_SELECT_IFNAME, "automatic"},
             Form{"123456789012345", HL_SELECT_IFNAME, "123456789012345"},
             Form{"pci:0000:00:04.0", HL_SELECT_PCI, "0000:00:04.0"},
             Form{"pci:10000:e1:00.7", HL_SELECT_PCI, "10000:e1:00.7"},
             Form{"slot:3", HL_SELECT_SLOT, "3"},
             Form{"slot:3-1", HL_SELECT_SLOT, "3-1"},
             Form{"acpi:2", HL_SELECT_ACPI, "2"},
             Form{"port:0a0b", HL_SELECT_PORT, "0a0b"},
             Form{"switch:0c", HL_SELECT_SWITCH, "0c"},
             Form{"bus:vmbus/4b8c-1", HL_SELECT_BUS, "vmbus/4b8c-1"},
             Form{"driver:mlx5_core", HL_SELECT_DRIVER, "mlx5_core"},
             Form{"pci:0000:00:04.0,driver:iavf,mac", HL_SELECT_LIST,
                  "pci:0000:00:04.0,driver:iavf,mac"},
         }) {
        Selector selector = Selector::parse(form.text);
        EXPECT_EQ(selector.kind, form.kind) << form.text;
        EXPECT_EQ(selector.arg, form.arg) << form.text;
        EXPECT_EQ(selector.text(), form.text);
    }
}

TEST(Selector, TakesAPciAddressAsLspciPrintsIt) {
    EXPECT_EQ(Selector::parse("pci:00:04.0").arg, "0000:00:04.0");
    EXPECT_EQ(Selector::parse("pci:0000:AF:1F.3").arg, "0000:af:1f.3");
}

TEST(Selector, RefusesWhatNamesNoDevice) {
    for (const char *text :
         {"",
          "pci:",
          "slot:",
          "1234567890123456",
          "pci:nonsense",
          "pci:00:04",
          "pci:00:04.8",
          "pci:0000:00:20.0",
          "pci:0000:00:04.0 ",
          "pci:0000:00:04.00",
          "pci:/etc/passwd",
          "pci:0000:00:0g.0",
          "pci:00000000000000000000000000000000000000000000000000:00:04.0",
          "slot:../../net",
          "slot:..",
          "slot:3 ",
          ("slot:0123456789012345678901234567890123456789012345678901234567890"
           "123456789012345678901234567890123456789012345678901234567890123456789"),
          "port:0a0",
          "switch:xy",
          "bus:pci",
          "bus:/x",
          "driver:",
          "eth0,",
          ",",
          "eth0,eth0",
          "mac,pci:x",
          "nonsense:4",
          "eth 0",
          "a/b",
          ".",
          "..",
          "eth0:1",
          "eth0\n"})
        try {
            Selector::parse(text);
            ADD_FAILURE() << '"' << text << "\" was taken";
        } catch (const Error &error) {
            EXPECT_EQ(error.code(), EINVAL);
            EXPECT_NE(std::string(error.what()).find("use auto (same MAC, on PCI), mac"),
                      std::string::npos)
                << error.what();
        }
}

} // namespace
} // namespace hitless::test
