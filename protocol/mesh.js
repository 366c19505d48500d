// Generated from mesh.proto by `npm run generate`; do not edit.
/* eslint-disable require-yield */
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var WirePrice;
(function (WirePrice) {
    let _codec;
    WirePrice.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.promptNano != null && obj.promptNano !== 0n)) {
                    w.uint32(8);
                    writeUint64(w, obj.promptNano);
                }
                if ((obj.completionNano != null && obj.completionNano !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.completionNano);
                }
                if ((obj.cachedNano != null && obj.cachedNano !== 0n)) {
                    w.uint32(24);
                    writeUint64(w, obj.cachedNano);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    promptNano: 0n,
                    completionNano: 0n,
                    cachedNano: 0n
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.promptNano = reader.uint64();
                            break;
                        }
                        case 2: {
                            obj.completionNano = reader.uint64();
                            break;
                        }
                        case 3: {
                            obj.cachedNano = reader.uint64();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.promptNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.completionNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.cachedNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WirePrice.codec());
    }
    WirePrice.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WirePrice.codec(), opts);
    }
    WirePrice.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WirePrice.codec(), opts);
    }
    WirePrice.stream = stream;
})(WirePrice || (WirePrice = {}));
export var WireUsage;
(function (WireUsage) {
    let _codec;
    WireUsage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.promptTokens != null && obj.promptTokens !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.promptTokens);
                }
                if ((obj.cachedTokens != null && obj.cachedTokens !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.cachedTokens);
                }
                if ((obj.completionTokens != null && obj.completionTokens !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.completionTokens);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    promptTokens: 0,
                    cachedTokens: 0,
                    completionTokens: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.promptTokens = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.cachedTokens = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.completionTokens = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.promptTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.cachedTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.completionTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireUsage.codec());
    }
    WireUsage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireUsage.codec(), opts);
    }
    WireUsage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireUsage.codec(), opts);
    }
    WireUsage.stream = stream;
})(WireUsage || (WireUsage = {}));
export var WireAdvert;
(function (WireAdvert) {
    let _codec;
    WireAdvert.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.body != null && obj.body.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.body);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    body: uint8ArrayAlloc(0),
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.body = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.body`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.signature`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireAdvert.codec());
    }
    WireAdvert.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireAdvert.codec(), opts);
    }
    WireAdvert.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireAdvert.codec(), opts);
    }
    WireAdvert.stream = stream;
})(WireAdvert || (WireAdvert = {}));
export var WireAdvertBody;
(function (WireAdvertBody) {
    let _codec;
    WireAdvertBody.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.publicKey != null && obj.publicKey.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.publicKey);
                }
                if ((obj.sequence != null && obj.sequence !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.sequence);
                }
                if ((obj.validUntilMs != null && obj.validUntilMs !== 0n)) {
                    w.uint32(24);
                    writeUint64(w, obj.validUntilMs);
                }
                if ((obj.payout != null && obj.payout.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.payout);
                }
                if (obj.offers != null && obj.offers.length > 0) {
                    for (const value of obj.offers) {
                        w.uint32(42);
                        WireOffer.codec().encode(value, w);
                    }
                }
                if (obj.addresses != null && obj.addresses.length > 0) {
                    for (const value of obj.addresses) {
                        w.uint32(50);
                        w.string(value);
                    }
                }
                if ((obj.agent != null && obj.agent !== '')) {
                    w.uint32(58);
                    w.string(obj.agent);
                }
                if ((obj.hubs != null && obj.hubs !== false)) {
                    w.uint32(64);
                    w.bool(obj.hubs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    publicKey: uint8ArrayAlloc(0),
                    sequence: 0n,
                    validUntilMs: 0n,
                    payout: uint8ArrayAlloc(0),
                    offers: [],
                    addresses: [],
                    agent: '',
                    hubs: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.publicKey = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.sequence = reader.uint64();
                            break;
                        }
                        case 3: {
                            obj.validUntilMs = reader.uint64();
                            break;
                        }
                        case 4: {
                            obj.payout = reader.bytes();
                            break;
                        }
                        case 5: {
                            if (opts.limits?.offers != null && obj.offers.length === opts.limits.offers) {
                                throw new MaxLengthError('Decode error - repeated field "offers" had too many elements');
                            }
                            obj.offers.push(WireOffer.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.offers$
                            }));
                            break;
                        }
                        case 6: {
                            if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements');
                            }
                            obj.addresses.push(reader.string());
                            break;
                        }
                        case 7: {
                            obj.agent = reader.string();
                            break;
                        }
                        case 8: {
                            obj.hubs = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    offers: 0,
                    addresses: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.publicKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sequence`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.validUntilMs`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.payout`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            if (opts.limits?.offers != null && obj.offers === opts.limits.offers) {
                                throw new MaxLengthError('Streaming decode error - repeated field "offers" had too many elements');
                            }
                            for (const evt of WireOffer.codec().stream(reader, reader.uint32(), `${prefix}.offers[]`, {
                                limits: opts.limits?.offers$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.offers
                                };
                            }
                            obj.offers++;
                            break;
                        }
                        case 6: {
                            if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements');
                            }
                            yield {
                                field: `${prefix}.addresses[]`,
                                index: obj.addresses,
                                value: reader.string()
                            };
                            obj.addresses++;
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.agent`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.hubs`,
                                value: reader.bool()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireAdvertBody.codec());
    }
    WireAdvertBody.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireAdvertBody.codec(), opts);
    }
    WireAdvertBody.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireAdvertBody.codec(), opts);
    }
    WireAdvertBody.stream = stream;
})(WireAdvertBody || (WireAdvertBody = {}));
export var WireOffer;
(function (WireOffer) {
    let _codec;
    WireOffer.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.modelKey != null && obj.modelKey.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.modelKey);
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(18);
                    w.string(obj.name);
                }
                if ((obj.contextTokens != null && obj.contextTokens !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.contextTokens);
                }
                if (obj.price != null) {
                    w.uint32(34);
                    WirePrice.codec().encode(obj.price, w);
                }
                if ((obj.slots != null && obj.slots !== 0)) {
                    w.uint32(40);
                    w.uint32(obj.slots);
                }
                if ((obj.slotsFree != null && obj.slotsFree !== 0)) {
                    w.uint32(48);
                    w.uint32(obj.slotsFree);
                }
                if ((obj.queued != null && obj.queued !== 0)) {
                    w.uint32(56);
                    w.uint32(obj.queued);
                }
                if ((obj.prefillTokensPerSecond != null && obj.prefillTokensPerSecond !== 0)) {
                    w.uint32(64);
                    w.uint32(obj.prefillTokensPerSecond);
                }
                if ((obj.decodeTokensPerSecond != null && obj.decodeTokensPerSecond !== 0)) {
                    w.uint32(72);
                    w.uint32(obj.decodeTokensPerSecond);
                }
                if (obj.features != null && obj.features.length > 0) {
                    for (const value of obj.features) {
                        w.uint32(82);
                        w.string(value);
                    }
                }
                if ((obj.vocabularySha256 != null && obj.vocabularySha256.byteLength > 0)) {
                    w.uint32(90);
                    w.bytes(obj.vocabularySha256);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    modelKey: uint8ArrayAlloc(0),
                    name: '',
                    contextTokens: 0,
                    slots: 0,
                    slotsFree: 0,
                    queued: 0,
                    prefillTokensPerSecond: 0,
                    decodeTokensPerSecond: 0,
                    features: [],
                    vocabularySha256: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.modelKey = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.name = reader.string();
                            break;
                        }
                        case 3: {
                            obj.contextTokens = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.price = WirePrice.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.price
                            });
                            break;
                        }
                        case 5: {
                            obj.slots = reader.uint32();
                            break;
                        }
                        case 6: {
                            obj.slotsFree = reader.uint32();
                            break;
                        }
                        case 7: {
                            obj.queued = reader.uint32();
                            break;
                        }
                        case 8: {
                            obj.prefillTokensPerSecond = reader.uint32();
                            break;
                        }
                        case 9: {
                            obj.decodeTokensPerSecond = reader.uint32();
                            break;
                        }
                        case 10: {
                            if (opts.limits?.features != null && obj.features.length === opts.limits.features) {
                                throw new MaxLengthError('Decode error - repeated field "features" had too many elements');
                            }
                            obj.features.push(reader.string());
                            break;
                        }
                        case 11: {
                            obj.vocabularySha256 = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    features: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.modelKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.contextTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield* WirePrice.codec().stream(reader, reader.uint32(), `${prefix}.price`, {
                                limits: opts.limits?.price
                            });
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.slots`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.slotsFree`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.queued`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.prefillTokensPerSecond`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 9: {
                            yield {
                                field: `${prefix}.decodeTokensPerSecond`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 10: {
                            if (opts.limits?.features != null && obj.features === opts.limits.features) {
                                throw new MaxLengthError('Streaming decode error - repeated field "features" had too many elements');
                            }
                            yield {
                                field: `${prefix}.features[]`,
                                index: obj.features,
                                value: reader.string()
                            };
                            obj.features++;
                            break;
                        }
                        case 11: {
                            yield {
                                field: `${prefix}.vocabularySha256`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireOffer.codec());
    }
    WireOffer.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireOffer.codec(), opts);
    }
    WireOffer.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireOffer.codec(), opts);
    }
    WireOffer.stream = stream;
})(WireOffer || (WireOffer = {}));
export var WireFrame;
(function (WireFrame) {
    let _codec;
    WireFrame.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                obj = { ...obj };
                if (obj.embedding != null) {
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.tab != null) {
                    obj.embedding = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.end != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.delta != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.fail != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.queued != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.accept != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.cancel != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.voucher = undefined;
                    obj.open = undefined;
                }
                if (obj.voucher != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.open = undefined;
                }
                if (obj.open != null) {
                    obj.embedding = undefined;
                    obj.tab = undefined;
                    obj.end = undefined;
                    obj.delta = undefined;
                    obj.fail = undefined;
                    obj.queued = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.voucher = undefined;
                }
                if (obj.open != null) {
                    w.uint32(10);
                    WireOpen.codec().encode(obj.open, w);
                }
                if (obj.voucher != null) {
                    w.uint32(18);
                    WireVoucher.codec().encode(obj.voucher, w);
                }
                if (obj.cancel != null) {
                    w.uint32(26);
                    WireCancel.codec().encode(obj.cancel, w);
                }
                if (obj.accept != null) {
                    w.uint32(34);
                    WireAccept.codec().encode(obj.accept, w);
                }
                if (obj.queued != null) {
                    w.uint32(42);
                    WireQueued.codec().encode(obj.queued, w);
                }
                if (obj.fail != null) {
                    w.uint32(50);
                    WireFail.codec().encode(obj.fail, w);
                }
                if (obj.delta != null) {
                    w.uint32(58);
                    WireDelta.codec().encode(obj.delta, w);
                }
                if (obj.end != null) {
                    w.uint32(66);
                    WireEnd.codec().encode(obj.end, w);
                }
                if (obj.tab != null) {
                    w.uint32(74);
                    WireTab.codec().encode(obj.tab, w);
                }
                if (obj.embedding != null) {
                    w.uint32(82);
                    WireEmbedding.codec().encode(obj.embedding, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.open = WireOpen.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.open
                            });
                            break;
                        }
                        case 2: {
                            obj.voucher = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.voucher
                            });
                            break;
                        }
                        case 3: {
                            obj.cancel = WireCancel.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.cancel
                            });
                            break;
                        }
                        case 4: {
                            obj.accept = WireAccept.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.accept
                            });
                            break;
                        }
                        case 5: {
                            obj.queued = WireQueued.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.queued
                            });
                            break;
                        }
                        case 6: {
                            obj.fail = WireFail.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.fail
                            });
                            break;
                        }
                        case 7: {
                            obj.delta = WireDelta.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.delta
                            });
                            break;
                        }
                        case 8: {
                            obj.end = WireEnd.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.end
                            });
                            break;
                        }
                        case 9: {
                            obj.tab = WireTab.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.tab
                            });
                            break;
                        }
                        case 10: {
                            obj.embedding = WireEmbedding.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.embedding
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                if (obj.embedding != null) {
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.tab != null) {
                    delete obj.embedding;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.end != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.delta != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.fail != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.queued != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.accept != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.cancel;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.cancel != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.voucher;
                    delete obj.open;
                }
                if (obj.voucher != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.open;
                }
                if (obj.open != null) {
                    delete obj.embedding;
                    delete obj.tab;
                    delete obj.end;
                    delete obj.delta;
                    delete obj.fail;
                    delete obj.queued;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.voucher;
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield* WireOpen.codec().stream(reader, reader.uint32(), `${prefix}.open`, {
                                limits: opts.limits?.open
                            });
                            break;
                        }
                        case 2: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.voucher`, {
                                limits: opts.limits?.voucher
                            });
                            break;
                        }
                        case 3: {
                            yield* WireCancel.codec().stream(reader, reader.uint32(), `${prefix}.cancel`, {
                                limits: opts.limits?.cancel
                            });
                            break;
                        }
                        case 4: {
                            yield* WireAccept.codec().stream(reader, reader.uint32(), `${prefix}.accept`, {
                                limits: opts.limits?.accept
                            });
                            break;
                        }
                        case 5: {
                            yield* WireQueued.codec().stream(reader, reader.uint32(), `${prefix}.queued`, {
                                limits: opts.limits?.queued
                            });
                            break;
                        }
                        case 6: {
                            yield* WireFail.codec().stream(reader, reader.uint32(), `${prefix}.fail`, {
                                limits: opts.limits?.fail
                            });
                            break;
                        }
                        case 7: {
                            yield* WireDelta.codec().stream(reader, reader.uint32(), `${prefix}.delta`, {
                                limits: opts.limits?.delta
                            });
                            break;
                        }
                        case 8: {
                            yield* WireEnd.codec().stream(reader, reader.uint32(), `${prefix}.end`, {
                                limits: opts.limits?.end
                            });
                            break;
                        }
                        case 9: {
                            yield* WireTab.codec().stream(reader, reader.uint32(), `${prefix}.tab`, {
                                limits: opts.limits?.tab
                            });
                            break;
                        }
                        case 10: {
                            yield* WireEmbedding.codec().stream(reader, reader.uint32(), `${prefix}.embedding`, {
                                limits: opts.limits?.embedding
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireFrame.codec());
    }
    WireFrame.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireFrame.codec(), opts);
    }
    WireFrame.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireFrame.codec(), opts);
    }
    WireFrame.stream = stream;
})(WireFrame || (WireFrame = {}));
export var WireMessage;
(function (WireMessage) {
    let _codec;
    WireMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.role != null && obj.role !== '')) {
                    w.uint32(10);
                    w.string(obj.role);
                }
                if ((obj.content != null && obj.content !== '')) {
                    w.uint32(18);
                    w.string(obj.content);
                }
                if (obj.toolCalls != null && obj.toolCalls.length > 0) {
                    for (const value of obj.toolCalls) {
                        w.uint32(26);
                        WireToolCall.codec().encode(value, w);
                    }
                }
                if ((obj.toolCallId != null && obj.toolCallId !== '')) {
                    w.uint32(34);
                    w.string(obj.toolCallId);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    role: '',
                    content: '',
                    toolCalls: [],
                    toolCallId: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.role = reader.string();
                            break;
                        }
                        case 2: {
                            obj.content = reader.string();
                            break;
                        }
                        case 3: {
                            if (opts.limits?.toolCalls != null && obj.toolCalls.length === opts.limits.toolCalls) {
                                throw new MaxLengthError('Decode error - repeated field "toolCalls" had too many elements');
                            }
                            obj.toolCalls.push(WireToolCall.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.toolCalls$
                            }));
                            break;
                        }
                        case 4: {
                            obj.toolCallId = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    toolCalls: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.role`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.content`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            if (opts.limits?.toolCalls != null && obj.toolCalls === opts.limits.toolCalls) {
                                throw new MaxLengthError('Streaming decode error - repeated field "toolCalls" had too many elements');
                            }
                            for (const evt of WireToolCall.codec().stream(reader, reader.uint32(), `${prefix}.toolCalls[]`, {
                                limits: opts.limits?.toolCalls$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.toolCalls
                                };
                            }
                            obj.toolCalls++;
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.toolCallId`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireMessage.codec());
    }
    WireMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireMessage.codec(), opts);
    }
    WireMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireMessage.codec(), opts);
    }
    WireMessage.stream = stream;
})(WireMessage || (WireMessage = {}));
export var WireToolCall;
(function (WireToolCall) {
    let _codec;
    WireToolCall.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.id != null && obj.id !== '')) {
                    w.uint32(10);
                    w.string(obj.id);
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(18);
                    w.string(obj.name);
                }
                if ((obj.arguments != null && obj.arguments !== '')) {
                    w.uint32(26);
                    w.string(obj.arguments);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    id: '',
                    name: '',
                    arguments: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.id = reader.string();
                            break;
                        }
                        case 2: {
                            obj.name = reader.string();
                            break;
                        }
                        case 3: {
                            obj.arguments = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.id`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.arguments`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireToolCall.codec());
    }
    WireToolCall.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireToolCall.codec(), opts);
    }
    WireToolCall.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireToolCall.codec(), opts);
    }
    WireToolCall.stream = stream;
})(WireToolCall || (WireToolCall = {}));
export var WireTool;
(function (WireTool) {
    let _codec;
    WireTool.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(10);
                    w.string(obj.name);
                }
                if ((obj.description != null && obj.description !== '')) {
                    w.uint32(18);
                    w.string(obj.description);
                }
                if ((obj.parameters != null && obj.parameters !== '')) {
                    w.uint32(26);
                    w.string(obj.parameters);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    name: '',
                    description: '',
                    parameters: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.name = reader.string();
                            break;
                        }
                        case 2: {
                            obj.description = reader.string();
                            break;
                        }
                        case 3: {
                            obj.parameters = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.description`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.parameters`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireTool.codec());
    }
    WireTool.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireTool.codec(), opts);
    }
    WireTool.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireTool.codec(), opts);
    }
    WireTool.stream = stream;
})(WireTool || (WireTool = {}));
export var WireTools;
(function (WireTools) {
    let _codec;
    WireTools.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.list != null && obj.list.length > 0) {
                    for (const value of obj.list) {
                        w.uint32(10);
                        WireTool.codec().encode(value, w);
                    }
                }
                if ((obj.choice != null && obj.choice !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.choice);
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(26);
                    w.string(obj.name);
                }
                if ((obj.parallel != null && obj.parallel !== false)) {
                    w.uint32(32);
                    w.bool(obj.parallel);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    list: [],
                    choice: 0,
                    name: '',
                    parallel: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.list != null && obj.list.length === opts.limits.list) {
                                throw new MaxLengthError('Decode error - repeated field "list" had too many elements');
                            }
                            obj.list.push(WireTool.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.list$
                            }));
                            break;
                        }
                        case 2: {
                            obj.choice = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.name = reader.string();
                            break;
                        }
                        case 4: {
                            obj.parallel = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    list: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.list != null && obj.list === opts.limits.list) {
                                throw new MaxLengthError('Streaming decode error - repeated field "list" had too many elements');
                            }
                            for (const evt of WireTool.codec().stream(reader, reader.uint32(), `${prefix}.list[]`, {
                                limits: opts.limits?.list$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.list
                                };
                            }
                            obj.list++;
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.choice`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.parallel`,
                                value: reader.bool()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireTools.codec());
    }
    WireTools.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireTools.codec(), opts);
    }
    WireTools.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireTools.codec(), opts);
    }
    WireTools.stream = stream;
})(WireTools || (WireTools = {}));
export var WireFormat;
(function (WireFormat) {
    let _codec;
    WireFormat.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.schema != null) {
                    w.uint32(10);
                    w.string(obj.schema);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.schema = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.schema`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireFormat.codec());
    }
    WireFormat.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireFormat.codec(), opts);
    }
    WireFormat.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireFormat.codec(), opts);
    }
    WireFormat.stream = stream;
})(WireFormat || (WireFormat = {}));
export var WireLogitBias;
(function (WireLogitBias) {
    let _codec;
    WireLogitBias.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.tokenId != null && obj.tokenId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.tokenId);
                }
                if ((obj.bias != null && obj.bias !== 0)) {
                    w.uint32(21);
                    w.float(obj.bias);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    tokenId: 0,
                    bias: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.tokenId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.bias = reader.float();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.tokenId`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.bias`,
                                value: reader.float()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireLogitBias.codec());
    }
    WireLogitBias.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireLogitBias.codec(), opts);
    }
    WireLogitBias.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireLogitBias.codec(), opts);
    }
    WireLogitBias.stream = stream;
})(WireLogitBias || (WireLogitBias = {}));
export var WireSampling;
(function (WireSampling) {
    let _codec;
    WireSampling.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.temperature != null) {
                    w.uint32(13);
                    w.float(obj.temperature);
                }
                if (obj.topP != null) {
                    w.uint32(21);
                    w.float(obj.topP);
                }
                if (obj.seed != null) {
                    w.uint32(24);
                    w.uint32(obj.seed);
                }
                if (obj.stop != null && obj.stop.length > 0) {
                    for (const value of obj.stop) {
                        w.uint32(34);
                        w.string(value);
                    }
                }
                if (obj.tokensMax != null) {
                    w.uint32(40);
                    w.uint32(obj.tokensMax);
                }
                if (obj.topK != null) {
                    w.uint32(48);
                    w.uint32(obj.topK);
                }
                if (obj.minP != null) {
                    w.uint32(61);
                    w.float(obj.minP);
                }
                if (obj.presencePenalty != null) {
                    w.uint32(69);
                    w.float(obj.presencePenalty);
                }
                if (obj.frequencyPenalty != null) {
                    w.uint32(77);
                    w.float(obj.frequencyPenalty);
                }
                if (obj.repetitionPenalty != null) {
                    w.uint32(85);
                    w.float(obj.repetitionPenalty);
                }
                if (obj.logitBias != null && obj.logitBias.length > 0) {
                    for (const value of obj.logitBias) {
                        w.uint32(90);
                        WireLogitBias.codec().encode(value, w);
                    }
                }
                if (obj.format != null) {
                    w.uint32(98);
                    WireFormat.codec().encode(obj.format, w);
                }
                if (obj.logprobs != null) {
                    w.uint32(104);
                    w.uint32(obj.logprobs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    stop: [],
                    logitBias: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.temperature = reader.float();
                            break;
                        }
                        case 2: {
                            obj.topP = reader.float();
                            break;
                        }
                        case 3: {
                            obj.seed = reader.uint32();
                            break;
                        }
                        case 4: {
                            if (opts.limits?.stop != null && obj.stop.length === opts.limits.stop) {
                                throw new MaxLengthError('Decode error - repeated field "stop" had too many elements');
                            }
                            obj.stop.push(reader.string());
                            break;
                        }
                        case 5: {
                            obj.tokensMax = reader.uint32();
                            break;
                        }
                        case 6: {
                            obj.topK = reader.uint32();
                            break;
                        }
                        case 7: {
                            obj.minP = reader.float();
                            break;
                        }
                        case 8: {
                            obj.presencePenalty = reader.float();
                            break;
                        }
                        case 9: {
                            obj.frequencyPenalty = reader.float();
                            break;
                        }
                        case 10: {
                            obj.repetitionPenalty = reader.float();
                            break;
                        }
                        case 11: {
                            if (opts.limits?.logitBias != null && obj.logitBias.length === opts.limits.logitBias) {
                                throw new MaxLengthError('Decode error - repeated field "logitBias" had too many elements');
                            }
                            obj.logitBias.push(WireLogitBias.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.logitBias$
                            }));
                            break;
                        }
                        case 12: {
                            obj.format = WireFormat.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.format
                            });
                            break;
                        }
                        case 13: {
                            obj.logprobs = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    stop: 0,
                    logitBias: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.temperature`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.topP`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.seed`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            if (opts.limits?.stop != null && obj.stop === opts.limits.stop) {
                                throw new MaxLengthError('Streaming decode error - repeated field "stop" had too many elements');
                            }
                            yield {
                                field: `${prefix}.stop[]`,
                                index: obj.stop,
                                value: reader.string()
                            };
                            obj.stop++;
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.tokensMax`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.topK`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.minP`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.presencePenalty`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 9: {
                            yield {
                                field: `${prefix}.frequencyPenalty`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 10: {
                            yield {
                                field: `${prefix}.repetitionPenalty`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 11: {
                            if (opts.limits?.logitBias != null && obj.logitBias === opts.limits.logitBias) {
                                throw new MaxLengthError('Streaming decode error - repeated field "logitBias" had too many elements');
                            }
                            for (const evt of WireLogitBias.codec().stream(reader, reader.uint32(), `${prefix}.logitBias[]`, {
                                limits: opts.limits?.logitBias$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.logitBias
                                };
                            }
                            obj.logitBias++;
                            break;
                        }
                        case 12: {
                            yield* WireFormat.codec().stream(reader, reader.uint32(), `${prefix}.format`, {
                                limits: opts.limits?.format
                            });
                            break;
                        }
                        case 13: {
                            yield {
                                field: `${prefix}.logprobs`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireSampling.codec());
    }
    WireSampling.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireSampling.codec(), opts);
    }
    WireSampling.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireSampling.codec(), opts);
    }
    WireSampling.stream = stream;
})(WireSampling || (WireSampling = {}));
export var WireOpen;
(function (WireOpen) {
    let _codec;
    WireOpen.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.requestId != null && obj.requestId.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.requestId);
                }
                if ((obj.modelKey != null && obj.modelKey.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.modelKey);
                }
                if (obj.messages != null && obj.messages.length > 0) {
                    for (const value of obj.messages) {
                        w.uint32(26);
                        WireMessage.codec().encode(value, w);
                    }
                }
                if (obj.sampling != null) {
                    w.uint32(34);
                    WireSampling.codec().encode(obj.sampling, w);
                }
                if (obj.priceMax != null) {
                    w.uint32(42);
                    WirePrice.codec().encode(obj.priceMax, w);
                }
                if ((obj.escrow != null && obj.escrow.byteLength > 0)) {
                    w.uint32(50);
                    w.bytes(obj.escrow);
                }
                if ((obj.deadlineMs != null && obj.deadlineMs !== 0)) {
                    w.uint32(56);
                    w.uint32(obj.deadlineMs);
                }
                if (obj.best != null) {
                    w.uint32(66);
                    WireVoucher.codec().encode(obj.best, w);
                }
                if ((obj.resumeText != null && obj.resumeText !== '')) {
                    w.uint32(74);
                    w.string(obj.resumeText);
                }
                if (obj.resumeTokenIds != null && obj.resumeTokenIds.length > 0) {
                    for (const value of obj.resumeTokenIds) {
                        w.uint32(80);
                        w.uint32(value);
                    }
                }
                if (obj.tokensBudget != null) {
                    w.uint32(88);
                    w.uint32(obj.tokensBudget);
                }
                if (obj.tools != null) {
                    w.uint32(98);
                    WireTools.codec().encode(obj.tools, w);
                }
                if (obj.text != null) {
                    w.uint32(106);
                    w.string(obj.text);
                }
                if (obj.inputs != null && obj.inputs.length > 0) {
                    for (const value of obj.inputs) {
                        w.uint32(114);
                        w.string(value);
                    }
                }
                if (obj.hub != null) {
                    w.uint32(120);
                    w.bool(obj.hub);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    requestId: uint8ArrayAlloc(0),
                    modelKey: uint8ArrayAlloc(0),
                    messages: [],
                    escrow: uint8ArrayAlloc(0),
                    deadlineMs: 0,
                    resumeText: '',
                    resumeTokenIds: [],
                    inputs: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.requestId = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.modelKey = reader.bytes();
                            break;
                        }
                        case 3: {
                            if (opts.limits?.messages != null && obj.messages.length === opts.limits.messages) {
                                throw new MaxLengthError('Decode error - repeated field "messages" had too many elements');
                            }
                            obj.messages.push(WireMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.messages$
                            }));
                            break;
                        }
                        case 4: {
                            obj.sampling = WireSampling.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.sampling
                            });
                            break;
                        }
                        case 5: {
                            obj.priceMax = WirePrice.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.priceMax
                            });
                            break;
                        }
                        case 6: {
                            obj.escrow = reader.bytes();
                            break;
                        }
                        case 7: {
                            obj.deadlineMs = reader.uint32();
                            break;
                        }
                        case 8: {
                            obj.best = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.best
                            });
                            break;
                        }
                        case 9: {
                            obj.resumeText = reader.string();
                            break;
                        }
                        case 10: {
                            if (opts.limits?.resumeTokenIds != null && obj.resumeTokenIds.length === opts.limits.resumeTokenIds) {
                                throw new MaxLengthError('Decode error - repeated field "resumeTokenIds" had too many elements');
                            }
                            obj.resumeTokenIds.push(reader.uint32());
                            break;
                        }
                        case 11: {
                            obj.tokensBudget = reader.uint32();
                            break;
                        }
                        case 12: {
                            obj.tools = WireTools.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.tools
                            });
                            break;
                        }
                        case 13: {
                            obj.text = reader.string();
                            break;
                        }
                        case 14: {
                            if (opts.limits?.inputs != null && obj.inputs.length === opts.limits.inputs) {
                                throw new MaxLengthError('Decode error - repeated field "inputs" had too many elements');
                            }
                            obj.inputs.push(reader.string());
                            break;
                        }
                        case 15: {
                            obj.hub = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    messages: 0,
                    resumeTokenIds: 0,
                    inputs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.requestId`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.modelKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            if (opts.limits?.messages != null && obj.messages === opts.limits.messages) {
                                throw new MaxLengthError('Streaming decode error - repeated field "messages" had too many elements');
                            }
                            for (const evt of WireMessage.codec().stream(reader, reader.uint32(), `${prefix}.messages[]`, {
                                limits: opts.limits?.messages$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.messages
                                };
                            }
                            obj.messages++;
                            break;
                        }
                        case 4: {
                            yield* WireSampling.codec().stream(reader, reader.uint32(), `${prefix}.sampling`, {
                                limits: opts.limits?.sampling
                            });
                            break;
                        }
                        case 5: {
                            yield* WirePrice.codec().stream(reader, reader.uint32(), `${prefix}.priceMax`, {
                                limits: opts.limits?.priceMax
                            });
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.escrow`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.deadlineMs`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 8: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.best`, {
                                limits: opts.limits?.best
                            });
                            break;
                        }
                        case 9: {
                            yield {
                                field: `${prefix}.resumeText`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 10: {
                            if (opts.limits?.resumeTokenIds != null && obj.resumeTokenIds === opts.limits.resumeTokenIds) {
                                throw new MaxLengthError('Streaming decode error - repeated field "resumeTokenIds" had too many elements');
                            }
                            yield {
                                field: `${prefix}.resumeTokenIds[]`,
                                index: obj.resumeTokenIds,
                                value: reader.uint32()
                            };
                            obj.resumeTokenIds++;
                            break;
                        }
                        case 11: {
                            yield {
                                field: `${prefix}.tokensBudget`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 12: {
                            yield* WireTools.codec().stream(reader, reader.uint32(), `${prefix}.tools`, {
                                limits: opts.limits?.tools
                            });
                            break;
                        }
                        case 13: {
                            yield {
                                field: `${prefix}.text`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 14: {
                            if (opts.limits?.inputs != null && obj.inputs === opts.limits.inputs) {
                                throw new MaxLengthError('Streaming decode error - repeated field "inputs" had too many elements');
                            }
                            yield {
                                field: `${prefix}.inputs[]`,
                                index: obj.inputs,
                                value: reader.string()
                            };
                            obj.inputs++;
                            break;
                        }
                        case 15: {
                            yield {
                                field: `${prefix}.hub`,
                                value: reader.bool()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireOpen.codec());
    }
    WireOpen.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireOpen.codec(), opts);
    }
    WireOpen.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireOpen.codec(), opts);
    }
    WireOpen.stream = stream;
})(WireOpen || (WireOpen = {}));
export var WireGrant;
(function (WireGrant) {
    let _codec;
    WireGrant.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.consumer != null && obj.consumer.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.consumer);
                }
                if ((obj.amountNano != null && obj.amountNano !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.amountNano);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    consumer: uint8ArrayAlloc(0),
                    amountNano: 0n,
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.consumer = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.amountNano = reader.uint64();
                            break;
                        }
                        case 3: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.consumer`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.amountNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.signature`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireGrant.codec());
    }
    WireGrant.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireGrant.codec(), opts);
    }
    WireGrant.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireGrant.codec(), opts);
    }
    WireGrant.stream = stream;
})(WireGrant || (WireGrant = {}));
export var WireVoucher;
(function (WireVoucher) {
    let _codec;
    WireVoucher.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.globalId != null && obj.globalId !== 0)) {
                    w.uint32(8);
                    w.sint32(obj.globalId);
                }
                if ((obj.escrow != null && obj.escrow.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.escrow);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.epoch);
                }
                if ((obj.payee != null && obj.payee.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.payee);
                }
                if ((obj.amountNano != null && obj.amountNano !== 0n)) {
                    w.uint32(40);
                    writeUint64(w, obj.amountNano);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(50);
                    w.bytes(obj.signature);
                }
                if (obj.grant != null) {
                    w.uint32(58);
                    WireGrant.codec().encode(obj.grant, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    globalId: 0,
                    escrow: uint8ArrayAlloc(0),
                    epoch: 0,
                    payee: uint8ArrayAlloc(0),
                    amountNano: 0n,
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.globalId = reader.sint32();
                            break;
                        }
                        case 2: {
                            obj.escrow = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.epoch = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.payee = reader.bytes();
                            break;
                        }
                        case 5: {
                            obj.amountNano = reader.uint64();
                            break;
                        }
                        case 6: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        case 7: {
                            obj.grant = WireGrant.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.grant
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.globalId`,
                                value: reader.sint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.escrow`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.payee`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.amountNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.signature`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 7: {
                            yield* WireGrant.codec().stream(reader, reader.uint32(), `${prefix}.grant`, {
                                limits: opts.limits?.grant
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireVoucher.codec());
    }
    WireVoucher.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireVoucher.codec(), opts);
    }
    WireVoucher.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireVoucher.codec(), opts);
    }
    WireVoucher.stream = stream;
})(WireVoucher || (WireVoucher = {}));
export var WireCancel;
(function (WireCancel) {
    let _codec;
    WireCancel.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireCancel.codec());
    }
    WireCancel.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireCancel.codec(), opts);
    }
    WireCancel.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireCancel.codec(), opts);
    }
    WireCancel.stream = stream;
})(WireCancel || (WireCancel = {}));
export var WireAccept;
(function (WireAccept) {
    let _codec;
    WireAccept.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.price != null) {
                    w.uint32(10);
                    WirePrice.codec().encode(obj.price, w);
                }
                if ((obj.promptTokens != null && obj.promptTokens !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.promptTokens);
                }
                if ((obj.cachedTokens != null && obj.cachedTokens !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.cachedTokens);
                }
                if ((obj.creditTokens != null && obj.creditTokens !== 0)) {
                    w.uint32(32);
                    w.uint32(obj.creditTokens);
                }
                if (obj.tab != null) {
                    w.uint32(42);
                    WireTab.codec().encode(obj.tab, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    promptTokens: 0,
                    cachedTokens: 0,
                    creditTokens: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.price = WirePrice.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.price
                            });
                            break;
                        }
                        case 2: {
                            obj.promptTokens = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.cachedTokens = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.creditTokens = reader.uint32();
                            break;
                        }
                        case 5: {
                            obj.tab = WireTab.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.tab
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield* WirePrice.codec().stream(reader, reader.uint32(), `${prefix}.price`, {
                                limits: opts.limits?.price
                            });
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.promptTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.cachedTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.creditTokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 5: {
                            yield* WireTab.codec().stream(reader, reader.uint32(), `${prefix}.tab`, {
                                limits: opts.limits?.tab
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireAccept.codec());
    }
    WireAccept.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireAccept.codec(), opts);
    }
    WireAccept.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireAccept.codec(), opts);
    }
    WireAccept.stream = stream;
})(WireAccept || (WireAccept = {}));
export var WireTab;
(function (WireTab) {
    let _codec;
    WireTab.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.owedNano != null && obj.owedNano !== 0n)) {
                    w.uint32(8);
                    writeUint64(w, obj.owedNano);
                }
                if (obj.best != null) {
                    w.uint32(18);
                    WireVoucher.codec().encode(obj.best, w);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.epoch);
                }
                if ((obj.payee != null && obj.payee.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.payee);
                }
                if ((obj.globalId != null && obj.globalId !== 0)) {
                    w.uint32(40);
                    w.sint32(obj.globalId);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    owedNano: 0n,
                    epoch: 0,
                    payee: uint8ArrayAlloc(0),
                    globalId: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.owedNano = reader.uint64();
                            break;
                        }
                        case 2: {
                            obj.best = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.best
                            });
                            break;
                        }
                        case 3: {
                            obj.epoch = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.payee = reader.bytes();
                            break;
                        }
                        case 5: {
                            obj.globalId = reader.sint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.owedNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 2: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.best`, {
                                limits: opts.limits?.best
                            });
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.payee`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.globalId`,
                                value: reader.sint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireTab.codec());
    }
    WireTab.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireTab.codec(), opts);
    }
    WireTab.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireTab.codec(), opts);
    }
    WireTab.stream = stream;
})(WireTab || (WireTab = {}));
export var WireQueued;
(function (WireQueued) {
    let _codec;
    WireQueued.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.position != null && obj.position !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.position);
                }
                if (obj.etaMs != null) {
                    w.uint32(16);
                    w.uint32(obj.etaMs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    position: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.position = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.etaMs = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.position`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.etaMs`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireQueued.codec());
    }
    WireQueued.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireQueued.codec(), opts);
    }
    WireQueued.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireQueued.codec(), opts);
    }
    WireQueued.stream = stream;
})(WireQueued || (WireQueued = {}));
export var WireFail;
(function (WireFail) {
    let _codec;
    WireFail.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.code != null && obj.code !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.code);
                }
                if ((obj.message != null && obj.message !== '')) {
                    w.uint32(18);
                    w.string(obj.message);
                }
                if (obj.retryAfterMs != null) {
                    w.uint32(24);
                    w.uint32(obj.retryAfterMs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    code: 0,
                    message: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.code = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.message = reader.string();
                            break;
                        }
                        case 3: {
                            obj.retryAfterMs = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.code`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.message`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.retryAfterMs`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireFail.codec());
    }
    WireFail.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireFail.codec(), opts);
    }
    WireFail.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireFail.codec(), opts);
    }
    WireFail.stream = stream;
})(WireFail || (WireFail = {}));
export var WireDelta;
(function (WireDelta) {
    let _codec;
    WireDelta.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.index != null && obj.index !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.index);
                }
                if ((obj.text != null && obj.text !== '')) {
                    w.uint32(18);
                    w.string(obj.text);
                }
                if ((obj.tokens != null && obj.tokens !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.tokens);
                }
                if (obj.tokenIds != null && obj.tokenIds.length > 0) {
                    for (const value of obj.tokenIds) {
                        w.uint32(32);
                        w.uint32(value);
                    }
                }
                if ((obj.reasoning != null && obj.reasoning !== '')) {
                    w.uint32(42);
                    w.string(obj.reasoning);
                }
                if (obj.toolCalls != null && obj.toolCalls.length > 0) {
                    for (const value of obj.toolCalls) {
                        w.uint32(50);
                        WireToolCallDelta.codec().encode(value, w);
                    }
                }
                if (obj.logprobs != null && obj.logprobs.length > 0) {
                    for (const value of obj.logprobs) {
                        w.uint32(58);
                        WireLogprob.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    index: 0,
                    text: '',
                    tokens: 0,
                    tokenIds: [],
                    reasoning: '',
                    toolCalls: [],
                    logprobs: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.index = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.text = reader.string();
                            break;
                        }
                        case 3: {
                            obj.tokens = reader.uint32();
                            break;
                        }
                        case 4: {
                            if (opts.limits?.tokenIds != null && obj.tokenIds.length === opts.limits.tokenIds) {
                                throw new MaxLengthError('Decode error - repeated field "tokenIds" had too many elements');
                            }
                            obj.tokenIds.push(reader.uint32());
                            break;
                        }
                        case 5: {
                            obj.reasoning = reader.string();
                            break;
                        }
                        case 6: {
                            if (opts.limits?.toolCalls != null && obj.toolCalls.length === opts.limits.toolCalls) {
                                throw new MaxLengthError('Decode error - repeated field "toolCalls" had too many elements');
                            }
                            obj.toolCalls.push(WireToolCallDelta.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.toolCalls$
                            }));
                            break;
                        }
                        case 7: {
                            if (opts.limits?.logprobs != null && obj.logprobs.length === opts.limits.logprobs) {
                                throw new MaxLengthError('Decode error - repeated field "logprobs" had too many elements');
                            }
                            obj.logprobs.push(WireLogprob.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.logprobs$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    tokenIds: 0,
                    toolCalls: 0,
                    logprobs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.index`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.text`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.tokens`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            if (opts.limits?.tokenIds != null && obj.tokenIds === opts.limits.tokenIds) {
                                throw new MaxLengthError('Streaming decode error - repeated field "tokenIds" had too many elements');
                            }
                            yield {
                                field: `${prefix}.tokenIds[]`,
                                index: obj.tokenIds,
                                value: reader.uint32()
                            };
                            obj.tokenIds++;
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.reasoning`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 6: {
                            if (opts.limits?.toolCalls != null && obj.toolCalls === opts.limits.toolCalls) {
                                throw new MaxLengthError('Streaming decode error - repeated field "toolCalls" had too many elements');
                            }
                            for (const evt of WireToolCallDelta.codec().stream(reader, reader.uint32(), `${prefix}.toolCalls[]`, {
                                limits: opts.limits?.toolCalls$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.toolCalls
                                };
                            }
                            obj.toolCalls++;
                            break;
                        }
                        case 7: {
                            if (opts.limits?.logprobs != null && obj.logprobs === opts.limits.logprobs) {
                                throw new MaxLengthError('Streaming decode error - repeated field "logprobs" had too many elements');
                            }
                            for (const evt of WireLogprob.codec().stream(reader, reader.uint32(), `${prefix}.logprobs[]`, {
                                limits: opts.limits?.logprobs$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.logprobs
                                };
                            }
                            obj.logprobs++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireDelta.codec());
    }
    WireDelta.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireDelta.codec(), opts);
    }
    WireDelta.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireDelta.codec(), opts);
    }
    WireDelta.stream = stream;
})(WireDelta || (WireDelta = {}));
export var WireToolCallDelta;
(function (WireToolCallDelta) {
    let _codec;
    WireToolCallDelta.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.index != null && obj.index !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.index);
                }
                if (obj.id != null) {
                    w.uint32(18);
                    w.string(obj.id);
                }
                if (obj.name != null) {
                    w.uint32(26);
                    w.string(obj.name);
                }
                if ((obj.arguments != null && obj.arguments !== '')) {
                    w.uint32(34);
                    w.string(obj.arguments);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    index: 0,
                    arguments: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.index = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.id = reader.string();
                            break;
                        }
                        case 3: {
                            obj.name = reader.string();
                            break;
                        }
                        case 4: {
                            obj.arguments = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.index`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.id`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.arguments`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireToolCallDelta.codec());
    }
    WireToolCallDelta.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireToolCallDelta.codec(), opts);
    }
    WireToolCallDelta.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireToolCallDelta.codec(), opts);
    }
    WireToolCallDelta.stream = stream;
})(WireToolCallDelta || (WireToolCallDelta = {}));
export var WireLogprob;
(function (WireLogprob) {
    let _codec;
    WireLogprob.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.bytes != null && obj.bytes.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.bytes);
                }
                if ((obj.logprob != null && obj.logprob !== 0)) {
                    w.uint32(21);
                    w.float(obj.logprob);
                }
                if (obj.top != null && obj.top.length > 0) {
                    for (const value of obj.top) {
                        w.uint32(26);
                        WireAlternative.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    bytes: uint8ArrayAlloc(0),
                    logprob: 0,
                    top: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.bytes = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.logprob = reader.float();
                            break;
                        }
                        case 3: {
                            if (opts.limits?.top != null && obj.top.length === opts.limits.top) {
                                throw new MaxLengthError('Decode error - repeated field "top" had too many elements');
                            }
                            obj.top.push(WireAlternative.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.top$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    top: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.bytes`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.logprob`,
                                value: reader.float()
                            };
                            break;
                        }
                        case 3: {
                            if (opts.limits?.top != null && obj.top === opts.limits.top) {
                                throw new MaxLengthError('Streaming decode error - repeated field "top" had too many elements');
                            }
                            for (const evt of WireAlternative.codec().stream(reader, reader.uint32(), `${prefix}.top[]`, {
                                limits: opts.limits?.top$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.top
                                };
                            }
                            obj.top++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireLogprob.codec());
    }
    WireLogprob.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireLogprob.codec(), opts);
    }
    WireLogprob.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireLogprob.codec(), opts);
    }
    WireLogprob.stream = stream;
})(WireLogprob || (WireLogprob = {}));
export var WireAlternative;
(function (WireAlternative) {
    let _codec;
    WireAlternative.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.bytes != null && obj.bytes.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.bytes);
                }
                if ((obj.logprob != null && obj.logprob !== 0)) {
                    w.uint32(21);
                    w.float(obj.logprob);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    bytes: uint8ArrayAlloc(0),
                    logprob: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.bytes = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.logprob = reader.float();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.bytes`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.logprob`,
                                value: reader.float()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireAlternative.codec());
    }
    WireAlternative.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireAlternative.codec(), opts);
    }
    WireAlternative.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireAlternative.codec(), opts);
    }
    WireAlternative.stream = stream;
})(WireAlternative || (WireAlternative = {}));
export var WireEmbedding;
(function (WireEmbedding) {
    let _codec;
    WireEmbedding.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.index != null && obj.index !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.index);
                }
                if ((obj.vector != null && obj.vector.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.vector);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    index: 0,
                    vector: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.index = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.vector = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.index`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.vector`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireEmbedding.codec());
    }
    WireEmbedding.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireEmbedding.codec(), opts);
    }
    WireEmbedding.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireEmbedding.codec(), opts);
    }
    WireEmbedding.stream = stream;
})(WireEmbedding || (WireEmbedding = {}));
export var WireEnd;
(function (WireEnd) {
    let _codec;
    WireEnd.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.finish != null && obj.finish !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.finish);
                }
                if (obj.receipt != null) {
                    w.uint32(18);
                    WireReceipt.codec().encode(obj.receipt, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    finish: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.finish = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.receipt = WireReceipt.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.receipt
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.finish`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield* WireReceipt.codec().stream(reader, reader.uint32(), `${prefix}.receipt`, {
                                limits: opts.limits?.receipt
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireEnd.codec());
    }
    WireEnd.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireEnd.codec(), opts);
    }
    WireEnd.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireEnd.codec(), opts);
    }
    WireEnd.stream = stream;
})(WireEnd || (WireEnd = {}));
export var WireReceipt;
(function (WireReceipt) {
    let _codec;
    WireReceipt.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.requestDigest != null && obj.requestDigest.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.requestDigest);
                }
                if ((obj.modelKey != null && obj.modelKey.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.modelKey);
                }
                if (obj.price != null) {
                    w.uint32(26);
                    WirePrice.codec().encode(obj.price, w);
                }
                if (obj.usage != null) {
                    w.uint32(34);
                    WireUsage.codec().encode(obj.usage, w);
                }
                if ((obj.costNano != null && obj.costNano !== 0n)) {
                    w.uint32(40);
                    writeUint64(w, obj.costNano);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(50);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    requestDigest: uint8ArrayAlloc(0),
                    modelKey: uint8ArrayAlloc(0),
                    costNano: 0n,
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.requestDigest = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.modelKey = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.price = WirePrice.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.price
                            });
                            break;
                        }
                        case 4: {
                            obj.usage = WireUsage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.usage
                            });
                            break;
                        }
                        case 5: {
                            obj.costNano = reader.uint64();
                            break;
                        }
                        case 6: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.requestDigest`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.modelKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield* WirePrice.codec().stream(reader, reader.uint32(), `${prefix}.price`, {
                                limits: opts.limits?.price
                            });
                            break;
                        }
                        case 4: {
                            yield* WireUsage.codec().stream(reader, reader.uint32(), `${prefix}.usage`, {
                                limits: opts.limits?.usage
                            });
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.costNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.signature`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireReceipt.codec());
    }
    WireReceipt.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireReceipt.codec(), opts);
    }
    WireReceipt.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireReceipt.codec(), opts);
    }
    WireReceipt.stream = stream;
})(WireReceipt || (WireReceipt = {}));
export var WireSettleRequest;
(function (WireSettleRequest) {
    let _codec;
    WireSettleRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.vouchers != null && obj.vouchers.length > 0) {
                    for (const value of obj.vouchers) {
                        w.uint32(10);
                        WireVoucher.codec().encode(value, w);
                    }
                }
                if ((obj.watch != null && obj.watch !== false)) {
                    w.uint32(16);
                    w.bool(obj.watch);
                }
                if ((obj.escrow != null && obj.escrow.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.escrow);
                }
                if (obj.fee != null) {
                    w.uint32(34);
                    WireVoucher.codec().encode(obj.fee, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    vouchers: [],
                    watch: false,
                    escrow: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.vouchers != null && obj.vouchers.length === opts.limits.vouchers) {
                                throw new MaxLengthError('Decode error - repeated field "vouchers" had too many elements');
                            }
                            obj.vouchers.push(WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.vouchers$
                            }));
                            break;
                        }
                        case 2: {
                            obj.watch = reader.bool();
                            break;
                        }
                        case 3: {
                            obj.escrow = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.fee = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.fee
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    vouchers: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.vouchers != null && obj.vouchers === opts.limits.vouchers) {
                                throw new MaxLengthError('Streaming decode error - repeated field "vouchers" had too many elements');
                            }
                            for (const evt of WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.vouchers[]`, {
                                limits: opts.limits?.vouchers$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.vouchers
                                };
                            }
                            obj.vouchers++;
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.watch`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.escrow`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.fee`, {
                                limits: opts.limits?.fee
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireSettleRequest.codec());
    }
    WireSettleRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireSettleRequest.codec(), opts);
    }
    WireSettleRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireSettleRequest.codec(), opts);
    }
    WireSettleRequest.stream = stream;
})(WireSettleRequest || (WireSettleRequest = {}));
export var WireSettleReply;
(function (WireSettleReply) {
    let _codec;
    WireSettleReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.accepted != null && obj.accepted !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.accepted);
                }
                if ((obj.code != null && obj.code !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.code);
                }
                if ((obj.message != null && obj.message !== '')) {
                    w.uint32(26);
                    w.string(obj.message);
                }
                if (obj.fee != null) {
                    w.uint32(34);
                    WireTab.codec().encode(obj.fee, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    accepted: 0,
                    code: 0,
                    message: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.accepted = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.code = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.message = reader.string();
                            break;
                        }
                        case 4: {
                            obj.fee = WireTab.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.fee
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.accepted`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.code`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.message`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 4: {
                            yield* WireTab.codec().stream(reader, reader.uint32(), `${prefix}.fee`, {
                                limits: opts.limits?.fee
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireSettleReply.codec());
    }
    WireSettleReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireSettleReply.codec(), opts);
    }
    WireSettleReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireSettleReply.codec(), opts);
    }
    WireSettleReply.stream = stream;
})(WireSettleReply || (WireSettleReply = {}));
export var WireSettlerBody;
(function (WireSettlerBody) {
    let _codec;
    WireSettlerBody.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.publicKey != null && obj.publicKey.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.publicKey);
                }
                if ((obj.sequence != null && obj.sequence !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.sequence);
                }
                if ((obj.validUntilMs != null && obj.validUntilMs !== 0n)) {
                    w.uint32(24);
                    writeUint64(w, obj.validUntilMs);
                }
                if ((obj.payout != null && obj.payout.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.payout);
                }
                if ((obj.feePpm != null && obj.feePpm !== 0)) {
                    w.uint32(40);
                    w.uint32(obj.feePpm);
                }
                if ((obj.valueNanoMin != null && obj.valueNanoMin !== 0n)) {
                    w.uint32(48);
                    writeUint64(w, obj.valueNanoMin);
                }
                if ((obj.globalId != null && obj.globalId !== 0)) {
                    w.uint32(56);
                    w.sint32(obj.globalId);
                }
                if ((obj.placesFree != null && obj.placesFree !== 0)) {
                    w.uint32(64);
                    w.uint32(obj.placesFree);
                }
                if ((obj.watch != null && obj.watch !== false)) {
                    w.uint32(72);
                    w.bool(obj.watch);
                }
                if (obj.addresses != null && obj.addresses.length > 0) {
                    for (const value of obj.addresses) {
                        w.uint32(82);
                        w.string(value);
                    }
                }
                if ((obj.agent != null && obj.agent !== '')) {
                    w.uint32(90);
                    w.string(obj.agent);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    publicKey: uint8ArrayAlloc(0),
                    sequence: 0n,
                    validUntilMs: 0n,
                    payout: uint8ArrayAlloc(0),
                    feePpm: 0,
                    valueNanoMin: 0n,
                    globalId: 0,
                    placesFree: 0,
                    watch: false,
                    addresses: [],
                    agent: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.publicKey = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.sequence = reader.uint64();
                            break;
                        }
                        case 3: {
                            obj.validUntilMs = reader.uint64();
                            break;
                        }
                        case 4: {
                            obj.payout = reader.bytes();
                            break;
                        }
                        case 5: {
                            obj.feePpm = reader.uint32();
                            break;
                        }
                        case 6: {
                            obj.valueNanoMin = reader.uint64();
                            break;
                        }
                        case 7: {
                            obj.globalId = reader.sint32();
                            break;
                        }
                        case 8: {
                            obj.placesFree = reader.uint32();
                            break;
                        }
                        case 9: {
                            obj.watch = reader.bool();
                            break;
                        }
                        case 10: {
                            if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements');
                            }
                            obj.addresses.push(reader.string());
                            break;
                        }
                        case 11: {
                            obj.agent = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    addresses: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.publicKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sequence`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.validUntilMs`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.payout`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.feePpm`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.valueNanoMin`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.globalId`,
                                value: reader.sint32()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.placesFree`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 9: {
                            yield {
                                field: `${prefix}.watch`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 10: {
                            if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements');
                            }
                            yield {
                                field: `${prefix}.addresses[]`,
                                index: obj.addresses,
                                value: reader.string()
                            };
                            obj.addresses++;
                            break;
                        }
                        case 11: {
                            yield {
                                field: `${prefix}.agent`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireSettlerBody.codec());
    }
    WireSettlerBody.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireSettlerBody.codec(), opts);
    }
    WireSettlerBody.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireSettlerBody.codec(), opts);
    }
    WireSettlerBody.stream = stream;
})(WireSettlerBody || (WireSettlerBody = {}));
export var WireHubFrame;
(function (WireHubFrame) {
    let _codec;
    WireHubFrame.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                obj = { ...obj };
                if (obj.fail != null) {
                    obj.granted = undefined;
                    obj.want = undefined;
                    obj.terms = undefined;
                    obj.hello = undefined;
                }
                if (obj.granted != null) {
                    obj.fail = undefined;
                    obj.want = undefined;
                    obj.terms = undefined;
                    obj.hello = undefined;
                }
                if (obj.want != null) {
                    obj.fail = undefined;
                    obj.granted = undefined;
                    obj.terms = undefined;
                    obj.hello = undefined;
                }
                if (obj.terms != null) {
                    obj.fail = undefined;
                    obj.granted = undefined;
                    obj.want = undefined;
                    obj.hello = undefined;
                }
                if (obj.hello != null) {
                    obj.fail = undefined;
                    obj.granted = undefined;
                    obj.want = undefined;
                    obj.terms = undefined;
                }
                if (obj.hello != null) {
                    w.uint32(10);
                    WireHubHello.codec().encode(obj.hello, w);
                }
                if (obj.terms != null) {
                    w.uint32(18);
                    WireHubTerms.codec().encode(obj.terms, w);
                }
                if (obj.want != null) {
                    w.uint32(26);
                    WireHubWant.codec().encode(obj.want, w);
                }
                if (obj.granted != null) {
                    w.uint32(34);
                    WireHubGranted.codec().encode(obj.granted, w);
                }
                if (obj.fail != null) {
                    w.uint32(42);
                    WireFail.codec().encode(obj.fail, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.hello = WireHubHello.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.hello
                            });
                            break;
                        }
                        case 2: {
                            obj.terms = WireHubTerms.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.terms
                            });
                            break;
                        }
                        case 3: {
                            obj.want = WireHubWant.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.want
                            });
                            break;
                        }
                        case 4: {
                            obj.granted = WireHubGranted.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.granted
                            });
                            break;
                        }
                        case 5: {
                            obj.fail = WireFail.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.fail
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                if (obj.fail != null) {
                    delete obj.granted;
                    delete obj.want;
                    delete obj.terms;
                    delete obj.hello;
                }
                if (obj.granted != null) {
                    delete obj.fail;
                    delete obj.want;
                    delete obj.terms;
                    delete obj.hello;
                }
                if (obj.want != null) {
                    delete obj.fail;
                    delete obj.granted;
                    delete obj.terms;
                    delete obj.hello;
                }
                if (obj.terms != null) {
                    delete obj.fail;
                    delete obj.granted;
                    delete obj.want;
                    delete obj.hello;
                }
                if (obj.hello != null) {
                    delete obj.fail;
                    delete obj.granted;
                    delete obj.want;
                    delete obj.terms;
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield* WireHubHello.codec().stream(reader, reader.uint32(), `${prefix}.hello`, {
                                limits: opts.limits?.hello
                            });
                            break;
                        }
                        case 2: {
                            yield* WireHubTerms.codec().stream(reader, reader.uint32(), `${prefix}.terms`, {
                                limits: opts.limits?.terms
                            });
                            break;
                        }
                        case 3: {
                            yield* WireHubWant.codec().stream(reader, reader.uint32(), `${prefix}.want`, {
                                limits: opts.limits?.want
                            });
                            break;
                        }
                        case 4: {
                            yield* WireHubGranted.codec().stream(reader, reader.uint32(), `${prefix}.granted`, {
                                limits: opts.limits?.granted
                            });
                            break;
                        }
                        case 5: {
                            yield* WireFail.codec().stream(reader, reader.uint32(), `${prefix}.fail`, {
                                limits: opts.limits?.fail
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireHubFrame.codec());
    }
    WireHubFrame.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireHubFrame.codec(), opts);
    }
    WireHubFrame.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireHubFrame.codec(), opts);
    }
    WireHubFrame.stream = stream;
})(WireHubFrame || (WireHubFrame = {}));
export var WireHubHello;
(function (WireHubHello) {
    let _codec;
    WireHubHello.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.escrow != null && obj.escrow.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.escrow);
                }
                if (obj.best != null) {
                    w.uint32(18);
                    WireVoucher.codec().encode(obj.best, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    escrow: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.escrow = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.best = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.best
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.escrow`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.best`, {
                                limits: opts.limits?.best
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireHubHello.codec());
    }
    WireHubHello.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireHubHello.codec(), opts);
    }
    WireHubHello.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireHubHello.codec(), opts);
    }
    WireHubHello.stream = stream;
})(WireHubHello || (WireHubHello = {}));
export var WireHubTerms;
(function (WireHubTerms) {
    let _codec;
    WireHubTerms.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.escrow != null && obj.escrow.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.escrow);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.epoch);
                }
                if ((obj.feePpm != null && obj.feePpm !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.feePpm);
                }
                if ((obj.incrementNanoMax != null && obj.incrementNanoMax !== 0n)) {
                    w.uint32(32);
                    writeUint64(w, obj.incrementNanoMax);
                }
                if (obj.tab != null) {
                    w.uint32(42);
                    WireTab.codec().encode(obj.tab, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    escrow: uint8ArrayAlloc(0),
                    epoch: 0,
                    feePpm: 0,
                    incrementNanoMax: 0n
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.escrow = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.epoch = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.feePpm = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.incrementNanoMax = reader.uint64();
                            break;
                        }
                        case 5: {
                            obj.tab = WireTab.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.tab
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.escrow`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.feePpm`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.incrementNanoMax`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 5: {
                            yield* WireTab.codec().stream(reader, reader.uint32(), `${prefix}.tab`, {
                                limits: opts.limits?.tab
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireHubTerms.codec());
    }
    WireHubTerms.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireHubTerms.codec(), opts);
    }
    WireHubTerms.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireHubTerms.codec(), opts);
    }
    WireHubTerms.stream = stream;
})(WireHubTerms || (WireHubTerms = {}));
export var WireHubWant;
(function (WireHubWant) {
    let _codec;
    WireHubWant.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.payee != null && obj.payee.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.payee);
                }
                if ((obj.creditNano != null && obj.creditNano !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.creditNano);
                }
                if (obj.voucher != null) {
                    w.uint32(26);
                    WireVoucher.codec().encode(obj.voucher, w);
                }
                if (obj.held != null) {
                    w.uint32(34);
                    WireVoucher.codec().encode(obj.held, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    payee: uint8ArrayAlloc(0),
                    creditNano: 0n
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.payee = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.creditNano = reader.uint64();
                            break;
                        }
                        case 3: {
                            obj.voucher = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.voucher
                            });
                            break;
                        }
                        case 4: {
                            obj.held = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.held
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.payee`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.creditNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 3: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.voucher`, {
                                limits: opts.limits?.voucher
                            });
                            break;
                        }
                        case 4: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.held`, {
                                limits: opts.limits?.held
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireHubWant.codec());
    }
    WireHubWant.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireHubWant.codec(), opts);
    }
    WireHubWant.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireHubWant.codec(), opts);
    }
    WireHubWant.stream = stream;
})(WireHubWant || (WireHubWant = {}));
export var WireHubGranted;
(function (WireHubGranted) {
    let _codec;
    WireHubGranted.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.voucher != null) {
                    w.uint32(10);
                    WireVoucher.codec().encode(obj.voucher, w);
                }
                if ((obj.owedNano != null && obj.owedNano !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.owedNano);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    owedNano: 0n
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.voucher = WireVoucher.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.voucher
                            });
                            break;
                        }
                        case 2: {
                            obj.owedNano = reader.uint64();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield* WireVoucher.codec().stream(reader, reader.uint32(), `${prefix}.voucher`, {
                                limits: opts.limits?.voucher
                            });
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.owedNano`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, WireHubGranted.codec());
    }
    WireHubGranted.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireHubGranted.codec(), opts);
    }
    WireHubGranted.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireHubGranted.codec(), opts);
    }
    WireHubGranted.stream = stream;
})(WireHubGranted || (WireHubGranted = {}));

function writeUint64(w, value) {
    if (value < 4294967296n) w.uint32(Number(value));
    else w.uint64(value);
}
