import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/errors.ts";
import { answer, answers, count, text, unsigned64 } from "../../lib/wire/qmp/answer.ts";
import { encodeCommand, parseJson, parseMessage } from "../../lib/wire/qmp/message.ts";
import { recording } from "../support/monitor.ts";

const encoded = (...args: Parameters<typeof encodeCommand>) =>
  new TextDecoder().decode(encodeCommand(...args));

Deno.test("commands are one line, arguments only where there are any", () => {
  assertEquals(encoded("query-status", undefined, 1), '{"execute":"query-status","id":1}\n');
  assertEquals(
    encoded("qom-get", { path: "/a\nb", property: "type" }, 2),
    '{"execute":"qom-get","arguments":{"path":"/a\\nb","property":"type"},"id":2}\n',
  );
});

Deno.test("greetings of real QEMUs", () => {
  const version = (name: string) => parseMessage(JSON.stringify(recording(name).greeting));
  const old = { major: 7, minor: 2, micro: 22, package: "Debian 1:7.2+dfsg-7+deb12u18+b3" };
  assertEquals(version("split"), { kind: "greeting", version: old });
  const ten = version("q10-packed");
  assertEquals(ten.kind === "greeting" && [ten.version.major, ten.version.minor], [10, 0]);
});

Deno.test("answers, errors and events", () => {
  assertEquals(parseMessage('{"return":{"a":1},"id":7,"new":0}'), {
    kind: "return",
    id: 7,
    value: { a: 1 },
  });
  assertEquals(parseMessage('{"id":8,"error":{"class":"CommandNotFound","desc":"no"}}'), {
    kind: "error",
    id: 8,
    class: "CommandNotFound",
    description: "no",
  });
  assertEquals(parseMessage('{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}'), {
    kind: "event",
    name: "STOP",
    data: undefined,
  });
  assertEquals(parseMessage('{"error":{},"id":"strange"}'), {
    kind: "error",
    id: null,
    class: "GenericError",
    description: "",
  });
});

Deno.test("64-bit numbers stay exact", () => {
  const message = parseMessage(
    '{"return":{"all":18446744073709551615,"odd":9007199254740993,"small":12,"minus":-1},"id":1}',
  );
  assertEquals(message.kind === "return" && message.value, {
    all: 18446744073709551615n,
    odd: 9007199254740993n,
    small: 12,
    minus: -1,
  });
});

Deno.test("what is no message is refused, showing how it begins", () => {
  for (
    const [line, wanted] of [
      ["SSH-2.0-OpenSSH_9.2", 'wanted JSON, got "SSH-2.0-OpenSSH_9.2"'],
      ['{"QMP":', "wanted JSON"],
      ["[1]", "wanted an object"],
      ["{}", "wanted QMP, return, error or event"],
      ['{"QMP":{"version":{}}}', "wanted a version"],
      ['{"QMP":{"version":{"qemu":{"major":"7"}}}}', "wanted a version of three numbers"],
      ["x".repeat(100), `${"x".repeat(60)}"…`],
      ["[".repeat(200_000), "wanted JSON"],
    ]
  ) assertStringIncludes(assertThrows(() => parseMessage(line), ProtocolError).message, wanted);
});

Deno.test("no line does anything but decode or throw ProtocolError", () => {
  const line = fc.oneof(fc.string(), fc.json(), fc.json().map((json) => `{"return":${json}}`));
  fc.assert(fc.property(line, (text) => {
    try {
      parseMessage(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }));
});

Deno.test("members of an answer are checked when they are read", () => {
  const from = answer("query-x", { size: 5, name: "a", high: 2n ** 63n, minus: -1, half: 1.5 });
  assertEquals([count(from, "size", 5), text(from, "name")], [5, "a"]);
  assertEquals(unsigned64(from, "high"), 2n ** 63n);
  const messages = [
    () => count(from, "size", 4),
    () => unsigned64(from, "minus"),
    () => unsigned64(from, "half"),
    () => text(from, "missing"),
    () => answer("query-x", []),
    () => answers("query-x", new Array(5).fill({}), 4),
  ].map((run) => assertThrows(run, ProtocolError).message);
  assertEquals(messages, [
    "qmp query-x size: wanted a number from 0 to 4, got 5",
    "qmp query-x minus: wanted an unsigned 64-bit number, got -1",
    "qmp query-x half: wanted an unsigned 64-bit number, got 1.5",
    "qmp query-x missing: wanted a string, got undefined",
    "qmp query-x answer: wanted an object, got a list",
    "qmp query-x answer: wanted at most 4 items, got 5",
  ]);
});

Deno.test("the first integer that a double can not hold is exact, too", () => {
  const values = ["9007199254740991", "9007199254740993", "18446744073709551615"];
  assertEquals(values.map((digits) => parseJson(`{"a":${digits}}`)), [
    { a: 9007199254740991 },
    { a: 9007199254740993n },
    { a: 18446744073709551615n },
  ]);
});
