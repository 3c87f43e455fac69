import { assertEquals } from "@std/assert";
import { decodeVector } from "../support/device_vectors.ts";
import { VECTORS } from "../support/device_vectors_all.ts";

for (const vector of VECTORS) {
  Deno.test(`${vector.device}: ${vector.summary}`, () => {
    const decoded = decodeVector(vector);
    assertEquals(decoded.summary, vector.summary);
    assertEquals(decoded.type, vector.type);
    assertEquals(decoded.device, vector.device);
    for (const [name, value] of Object.entries(vector.fields ?? {})) {
      assertEquals(decoded.fields[name], value, name);
    }
    assertEquals(decoded.notes, vector.notes ?? []);
  });
}
