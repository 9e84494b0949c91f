// SPDX-License-Identifier: BSD-2-Clause
//
// The client of QEMU's monitor against peers that are right, slow, broken, foreign or hostile.
#include "loader/host/qmp_client.hpp"
#include "tests/host/fake_qemu.hpp"

#include <gtest/gtest.h>
#include <poll.h>

namespace hitless::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

class QmpClientTest : public testing::Test {
  protected:
    /// Both sides work; time is ours.
    void run(Instant time = 0ms) {
        now_ += time;
        for (int i = 0; i < 8; i++) {
            client_.process(now_);
            qemu_.work();
        }
        client_.process(now_);
    }
    void ask(const std::string &command) {
        client_.execute(
            command, {},
            [this](const Json *value, const std::string &error) {
                answers_.push_back(value ? value->dump() : "error: " + error);
            },
            now_);
    }
    void expect_left(const std::string &why) {
        EXPECT_FALSE(client_.ready());
        EXPECT_NE(client_.problem().find(why), std::string::npos) << client_.problem();
        const unsigned before = qemu_.clients;
        run(900ms);
        EXPECT_EQ(qemu_.clients, before) << "it is left alone for a while";
        ASSERT_TRUE(client_.deadline());
        now_ = *client_.deadline();
        run();
        EXPECT_EQ(qemu_.clients, before + 1) << "and tried again";
    }

    FakeQemu qemu_;
    std::vector<std::string> events_, answers_;
    unsigned ready_ = 0;
    Instant now_ = 100s;
    QmpClient client_{
        qemu_.path(),
        {.ready = [this] { ready_++; },
         .event = [this](const std::string &event,
                         const Json &data) { events_.push_back(event + " " + data.dump()); }}};
};

TEST_F(QmpClientTest, GreetsNegotiatesAsksAndHears) {
    qemu_.answer = [](const Json &command) -> FakeQemu::Answer {
        if (command["execute"] == "refused") return std::string("not so");
        return Json{{"status", "running"}};
    };
    run();
    ASSERT_TRUE(client_.ready()) << client_.problem();
    EXPECT_EQ(ready_, 1u);
    EXPECT_EQ(client_.problem(), "");
    ask("query-status");
    ask("refused");
    run();
    EXPECT_EQ(answers_, (std::vector<std::string>{R"({"status":"running"})", "error: not so"}));
    qemu_.event("RESET", {{"guest", true}});
    run();
    EXPECT_EQ(events_, (std::vector<std::string>{R"(RESET {"guest":true})"}));
}

TEST_F(QmpClientTest, AnswersComeInAnyOrderAndBetweenEvents) {
    run();
    qemu_.answers = false;
    ask("first");
    ask("second");
    run();
    qemu_.event("STOP");
    qemu_.say(Json{{"return", 2}, {"id", qemu_.commands[2]["id"]}});
    qemu_.event("RESUME");
    qemu_.say(Json{{"return", 1}, {"id", qemu_.commands[1]["id"]}});
    run();
    EXPECT_EQ(answers_, (std::vector<std::string>{"2", "1"}));
    EXPECT_EQ(events_.size(), 2u);
}

TEST_F(QmpClientTest, ASlowPeerIsUnderstoodByteByByte) {
    qemu_.greets = false;
    run();
    for (const char byte : qemu_.greeting + "\r\n") {
        qemu_.say(std::string(1, byte));
        run(1ms);
    }
    run();
    EXPECT_TRUE(client_.ready()) << client_.problem();
}

TEST_F(QmpClientTest, OneThatSaysNothingIsAnothersMonitor) {
    qemu_.greets = false;
    run();
    EXPECT_FALSE(client_.ready());
    run(6s);
    expect_left("serves one client");
}

TEST_F(QmpClientTest, OneThatDoesNotAnswerIsLeftAndWhatWasAskedFails) {
    run();
    qemu_.answers = false;
    ask("query-status");
    run(9s);
    EXPECT_TRUE(answers_.empty());
    run(2s);
    ASSERT_EQ(answers_.size(), 1u);
    EXPECT_NE(answers_[0].find("does not answer"), std::string::npos) << answers_[0];
    expect_left("does not answer");
}

TEST_F(QmpClientTest, OneThatDoesNotReadIsLeft) {
    run();
    Json big = {{"device", std::string(1 << 20, 'x')}};
    client_.execute(
        "device_add", big,
        [this](const Json *, const std::string &error) { answers_.push_back(error); }, now_);
    ASSERT_EQ(answers_.size(), 1u);
    EXPECT_NE(answers_[0].find("does not read"), std::string::npos) << answers_[0];
}

TEST_F(QmpClientTest, WhoeverSpeaksOtherwiseIsLeft) {
    for (const char *text : {"SSH-2.0-OpenSSH\r\n", "[]\n", "{\"QMP\"\n", "\n", "{}\n",
                             "\xff\xfe\n", "{\"event\": \"RESET\"}\n"}) {
        qemu_.greeting = text;
        now_ += 1min;
        qemu_.hang_up();
        run();
        EXPECT_FALSE(client_.ready()) << text;
        EXPECT_NE(client_.problem(), "") << text;
        EXPECT_TRUE(events_.empty()) << "no event before the greeting";
    }
}

TEST_F(QmpClientTest, GarbageLaterIsLeftTooAndAReconnectBeginsAnew) {
    const std::string deep(100'000, '[');
    for (const std::string &text :
         {std::string("garbage\n"), std::string(R"({"return": {}, "id": 77})") + "\n",
          std::string(R"({"return": {}})") + "\n", std::string(R"({"error": 1, "id": 0})") + "\n",
          std::string(R"({"error": {"desc": "no"}})") + "\n", deep + "\n",
          std::string(2 << 20, 'x')}) {
        now_ += 1min;
        run();
        ASSERT_TRUE(client_.ready()) << client_.problem();
        const unsigned before = ready_;
        ask("query-status");
        qemu_.answers = false;
        for (size_t at = 0; at < text.size(); at += 65536) {
            qemu_.say(text.substr(at, 65536));
            client_.process(now_);
        }
        run();
        EXPECT_FALSE(client_.ready()) << text.substr(0, 40);
        qemu_.answers = true;
        now_ += 1min;
        run();
        EXPECT_TRUE(client_.ready()) << client_.problem();
        EXPECT_EQ(ready_, before + 1);
    }
}

TEST_F(QmpClientTest, EventsOfAnyShapeAreNoEnd) {
    run();
    for (const char *text :
         {R"({"event": 7})", R"({"event": "X"})", R"({"event": "Y", "data": []})"})
        qemu_.say(std::string(text) + "\n");
    run();
    EXPECT_TRUE(client_.ready()) << client_.problem();
    EXPECT_EQ(events_.size(), 2u);
}

TEST_F(QmpClientTest, AGuestThatEndsAndStartsIsFoundAgain) {
    run();
    ask("query-status");
    qemu_.end();
    client_.process(now_);
    EXPECT_EQ(answers_.size(), 1u);
    EXPECT_NE(client_.problem().find("ended"), std::string::npos) << client_.problem();
    run(2s);
    EXPECT_NE(client_.problem().find("-qmp unix:"), std::string::npos) << client_.problem();
}

/// Neither a missing file nor a path that fits no socket costs more than a try now and then.
TEST(QmpClient, WhereThereIsNoMonitorItIsTriedSeldom) {
    for (const std::string &path : {std::string("/nonexistent/qmp"), std::string(200, 'x')}) {
        QmpClient client(path, {[] {}, [](const std::string &, const nlohmann::json &) {}});
        Instant now = 1s;
        unsigned tries = 0;
        for (const Instant end = now + 60s; now < end; now = *client.deadline()) {
            client.process(now);
            tries++;
        }
        EXPECT_LE(tries, 7u);
        EXPECT_NE(client.problem(), "");
    }
}

} // namespace
} // namespace hitless::test
