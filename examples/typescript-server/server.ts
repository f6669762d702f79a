// An MCP server without a line of authentication: Vestibule stands in front of it.

import { createServer } from 'node:http';

import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

function makeServer(): McpServer {
    const server = new McpServer({ name: 'typescript-example', version: '1.0.0' });

    server.registerTool(
        'whoami',
        { description: 'Who is calling, as the gateway told this server.' },
        async (context) => {
            const headers = context.http?.req?.headers;
            const who = {
                subject: headers?.get('x-vestibule-subject') ?? null,
                email: headers?.get('x-vestibule-email') ?? null,
                scopes: headers?.get('x-vestibule-scopes') ?? null,
            };
            return { content: [{ type: 'text', text: JSON.stringify(who) }] };
        },
    );

    server.registerTool(
        'add',
        { description: 'Add two numbers.', inputSchema: z.object({ a: z.number(), b: z.number() }) },
        async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
    );

    return server;
}

const handle = toNodeHandler(createMcpHandler(makeServer));
const isFineHost = localhostHostValidation();
const isFineOrigin = localhostOriginValidation();

// Loopback only: whoever reaches this port directly can claim to be anybody.
createServer((request, response) => {
    if (!isFineHost(request, response) || !isFineOrigin(request, response)) return;
    if (request.url?.split('?')[0] !== '/mcp') {
        response.writeHead(404).end();
        return;
    }
    void handle(request, response);
}).listen(3000, '127.0.0.1', () => console.log('listening on http://127.0.0.1:3000/mcp'));
