'use strict';
// Reads every mail of a folder as nodemailer's mailparser does, and prints them as
// one JSON object by file name, in the shape of tests/python/parse_folder.py:
//
//     node parse_folder.js WHERE_NODE_MODULES_ARE FOLDER
//
// mailparser joins the texts of a mail and does not tell where they stood. So its
// parts are asked themselves: mailsplit takes mails apart, libmime decodes, and
// addressparser reads addresses. What they get wrong is worked around here, each
// time with a word on what it is.

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { pipeline } = require('node:stream/promises');

const [tools, folder] = process.argv.slice(2);
const part = createRequire(require.resolve('mailparser', { paths: [tools] }));
const { Splitter } = part('@zone-eu/mailsplit');
const libmime = part('libmime');
const addressparser = part('nodemailer/lib/addressparser');

const BASE_FIELDS = new Set([
    'date', 'from', 'sender', 'reply-to', 'to', 'cc', 'bcc', 'message-id', 'in-reply-to',
    'references', 'subject', 'list-unsubscribe', 'list-unsubscribe-post', 'mime-version',
]);

class Fields {
    constructor(node) {
        this.all = node.headers.getList().map(({ line }) => {
            const text = Buffer.from(line, 'binary').toString();
            const colon = text.indexOf(':');
            // libmime makes one space of a fold, whatever white space stood there
            // (RFC 5322 section 2.2.3).
            const body = text.slice(colon + 1).replace(/\r\n/g, '').replace(/^ /, '');
            return { name: text.slice(0, colon), body };
        });
    }

    raw(name) {
        return this.all.find((field) => field.name.toLowerCase() === name)?.body ?? null;
    }

    text(name) {
        const body = this.raw(name);
        return body && libmime.decodeWords(body);
    }

    mailboxes(name) {
        const mailboxes = addressparser(this.raw(name) ?? '', { flatten: true });
        // addressparser strips the spaces at the ends of a quoted name, and cannot
        // those of an encoded one: so all are stripped.
        const trimmed = (name) => libmime.decodeWords(name).replace(/^ +| +$/g, '');
        return mailboxes.map(({ name, address }) => [trimmed(name), address]);
    }

    parsed(name) {
        return libmime.parseHeaderValue(this.raw(name) ?? '');
    }
}

async function decoded(node, chunks) {
    const decoder = node.getDecoder();
    decoder.end(Buffer.concat(chunks));
    const content = Buffer.concat(await decoder.toArray());
    // mailsplit takes the line end before a boundary for the content when there is
    // no other (RFC 2046 section 5.1.1). So nothing and an empty line are alike.
    return node.parentNode && content.equals(Buffer.from('\r\n')) ? Buffer.of() : content;
}

async function tree(node, bodies) {
    const fields = new Fields(node);
    const type = fields.parsed('content-type');
    if (node.multipart) {
        const parts = await Promise.all(node.children.map((child) => tree(child, bodies)));
        return { type: node.contentType, root: type.params.type ?? null, parts };
    }
    const disposition = fields.parsed('content-disposition');
    return {
        type: node.contentType,
        parameters: type.params,
        disposition: disposition.value || null,
        filename: disposition.params.filename ?? null,
        content_id: fields.raw('content-id'),
        content: await decoded(node, bodies.get(node)),
    };
}

async function read(file) {
    const bodies = new Map();
    let root;
    const splitter = new Splitter({ ignoreEmbedded: true });
    await pipeline(fs.createReadStream(file), splitter, async (found) => {
        for await (const each of found) {
            if (each.type === 'node') {
                root ??= each;
                each.children = [];
                bodies.set(each, []);
                if (each.parentNode) each.parentNode.children.push(each);
            } else if (each.type === 'body') {
                bodies.get(each.node).push(each.value);
            }
        }
    });
    const fields = new Fields(root);
    const body = await tree(root, bodies);
    if (body.content) {
        // The last line of a message ends in CRLF whether or not it did.
        const end = body.content.length - 2;
        if (end >= 0 && body.content.indexOf('\r\n', end) === end) {
            body.content = body.content.subarray(0, end);
        }
    }
    const own = fields.all.filter(({ name }) => !/^content-/i.test(name));
    return {
        fields: own.map(({ name }) => name.toLowerCase()),
        date: Date.parse(fields.raw('date')) / 1000,
        from: fields.mailboxes('from'),
        sender: fields.mailboxes('sender'),
        reply_to: fields.mailboxes('reply-to'),
        to: fields.mailboxes('to'),
        cc: fields.mailboxes('cc'),
        message_id: fields.raw('message-id'),
        in_reply_to: fields.raw('in-reply-to'),
        references: fields.raw('references'),
        subject: fields.text('subject'),
        // Space inside the angle brackets means nothing (RFC 2369 section 2).
        list_unsubscribe: fields.raw('list-unsubscribe')?.replaceAll(' ', '') ?? null,
        list_unsubscribe_post: fields.raw('list-unsubscribe-post'),
        headers: own
            .filter(({ name }) => !BASE_FIELDS.has(name.toLowerCase()))
            .map(({ name, body }) => [name, libmime.decodeWords(body)]),
        body,
        // It tells of none.
        defects: [],
    };
}

async function main() {
    const mails = {};
    for (const file of fs.readdirSync(folder).sort()) {
        try {
            mails[path.parse(file).name] = await read(path.join(folder, file));
        } catch (error) {
            mails[path.parse(file).name] = { error: String(error.stack) };
        }
    }
    const base64 = (key, value) =>
        key === 'content' ? Buffer.from(value.data).toString('base64') : value;
    process.stdout.write(JSON.stringify(mails, base64));
}

main();
