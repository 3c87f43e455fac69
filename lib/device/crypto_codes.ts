/**
 * Codes of the crypto device: virtio 1.4, 5.9.4 (services and algorithms), 5.9.9.2 and 5.9.9.3.
 *
 * @module
 */
import { type Layout, named, nameOf, type Names, u32 } from "./kind.ts";

/** Services; an opcode is service << 8 | operation. */
export const SERVICES: Names = ["CIPHER", "HASH", "MAC", "AEAD", "AKCIPHER", "IPSEC"];

/** Opcodes of the control queue. */
export const CONTROL_CODES: Names = {
  0x002: "CIPHER_CREATE_SESSION",
  0x003: "CIPHER_DESTROY_SESSION",
  0x102: "HASH_CREATE_SESSION",
  0x103: "HASH_DESTROY_SESSION",
  0x202: "MAC_CREATE_SESSION",
  0x203: "MAC_DESTROY_SESSION",
  0x302: "AEAD_CREATE_SESSION",
  0x303: "AEAD_DESTROY_SESSION",
  0x404: "AKCIPHER_CREATE_SESSION",
  0x405: "AKCIPHER_DESTROY_SESSION",
};

/** Opcodes of the data queues; none is also one of the control queue. */
export const DATA_CODES: Names = {
  0x000: "CIPHER_ENCRYPT",
  0x001: "CIPHER_DECRYPT",
  0x100: "HASH",
  0x200: "MAC",
  0x300: "AEAD_ENCRYPT",
  0x301: "AEAD_DECRYPT",
  0x400: "AKCIPHER_ENCRYPT",
  0x401: "AKCIPHER_DECRYPT",
  0x402: "AKCIPHER_SIGN",
  0x403: "AKCIPHER_VERIFY",
  0x500: "IPSEC_OUTBOUND",
  0x501: "IPSEC_INBOUND",
};

const CIPHERS: Names =
  ("NO_CIPHER ARC4 AES_ECB AES_CBC AES_CTR DES_ECB DES_CBC 3DES_ECB 3DES_CBC 3DES_CTR KASUMI_F8 " +
    "SNOW3G_UEA2 AES_F8 AES_XTS ZUC_EEA3").split(" ");
const HASHES: Names =
  ("NO_HASH MD5 SHA1 SHA_224 SHA_256 SHA_384 SHA_512 SHA3_224 SHA3_256 SHA3_384 SHA3_512 " +
    "SHA3_SHAKE128 SHA3_SHAKE256").split(" ");
const MACS: Names = {
  0: "NO_MAC",
  1: "HMAC_MD5",
  2: "HMAC_SHA1",
  3: "HMAC_SHA_224",
  4: "HMAC_SHA_256",
  5: "HMAC_SHA_384",
  6: "HMAC_SHA_512",
  25: "CMAC_3DES",
  26: "CMAC_AES",
  27: "KASUMI_F9",
  28: "SNOW3G_UIA2",
  41: "GMAC_AES",
  42: "GMAC_TWOFISH",
  49: "CBCMAC_AES",
  50: "CBCMAC_KASUMI_F9",
  53: "XCBC_AES",
  54: "ZUC_EIA3",
};
const AEADS: Names = ["NO_AEAD", "GCM", "CCM", "CHACHA20_POLY1305"];
const AKCIPHERS: Names = ["NO_AKCIPHER", "RSA", "ECDSA"];

const ALGORITHMS: { readonly [service: number]: Names } = [
  CIPHERS,
  HASHES,
  MACS,
  AEADS,
  AKCIPHERS,
];

/** An algorithm's name within its service, or its number. */
export function algorithms(service: number, algorithm: number): string | number {
  return nameOf(ALGORITHMS[service] ?? {}, algorithm);
}

const op = named(u32, { 1: "ENCRYPT", 2: "DECRYPT" });

/** What a cipher session is for, behind 48 bytes that depend on it. */
export const SYMMETRIC = { opType: named(u32, ["NONE", "CIPHER", "ALGORITHM_CHAINING"]) };

/** Where {@linkcode SYMMETRIC} lies in a request. */
export const SYMMETRIC_OFFSET = 64;

/** The fixed part of a cipher session that chains a cipher with a hash. */
export const CHAINING: Layout = {
  algChainOrder: named(u32, { 1: "HASH_THEN_CIPHER", 2: "CIPHER_THEN_HASH" }),
  hashMode: named(u32, { 1: "PLAIN", 2: "AUTH", 3: "NESTED" }),
  cipherAlgo: named(u32, CIPHERS),
  keyLen: u32,
  op,
};

/** Fixed parts of create-session requests, by service. */
export const SESSION_BODIES: { readonly [service: number]: Layout } = [
  { cipherAlgo: named(u32, CIPHERS), keyLen: u32, op },
  { hashAlgo: named(u32, HASHES), hashResultLen: u32 },
  { macAlgo: named(u32, MACS), hashResultLen: u32, authKeyLen: u32 },
  { aeadAlgo: named(u32, AEADS), keyLen: u32, tagLen: u32, aadLen: u32, op },
  {
    akcipherAlgo: named(u32, AKCIPHERS),
    keyType: named(u32, { 1: "PUBLIC", 2: "PRIVATE" }),
    keyLen: u32,
  },
];

/** Fixed parts of data requests in session mode, by service. */
export const OPERATIONS: { readonly [service: number]: Layout } = [
  { ivLen: u32, srcDataLen: u32, dstDataLen: u32 },
  { srcDataLen: u32, hashResultLen: u32 },
  { srcDataLen: u32, hashResultLen: u32 },
  { ivLen: u32, aadLen: u32, srcDataLen: u32, dstDataLen: u32, tagLen: u32 },
  { srcDataLen: u32, dstDataLen: u32 },
  { srcDataLen: u32, dstDataLen: u32 },
];
