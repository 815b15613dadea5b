addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

let count = 0;

async function answer(request) {
  const url = new URL(request.url);
  count += 1;
  switch (url.pathname) {
    case "/hello":
      return new Response("hello from JavaScript\n");
    case "/count":
      return new Response(String(count));
    case "/echo":
      return new Response(request.body, { headers: { "x-method": request.method } });
    case "/throw":
      throw new Error("the guest's own");
    case "/fetch":
      return await fetch(url.searchParams.get("url"));
    default:
      return new Response("nothing here\n", { status: 404 });
  }
}
