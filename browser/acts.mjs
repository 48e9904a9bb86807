// What people do with the dashboard, done in a browser.
import { HOSTILE, api, deliveries, eventually, expect, publish, visit } from './world.mjs';

export const acts = {
  async 'a newcomer makes an endpoint, sees a request arrive by itself, and sets the reply'(world) {
    const { page, complaints, base } = await visit(world, { at: world.empty });
    await page.click('button:has-text("Make an endpoint")');
    await page.waitForSelector('text=Waiting for the first request');
    await page.waitForSelector('.live-on');
    const url = await page.textContent('#url');
    expect(url.startsWith(`${base}/in/hook-`), url);
    expect((await fetch(url, { method: 'POST', body: HOSTILE })).status === 200, 'it takes anything');
    const row = page.locator('tbody tr').first();
    await row.waitFor();
    expect(!(await page.isVisible('text=Waiting for the first request')), 'nothing is waited for any more');
    await page.click('summary:has-text("What it answers")');
    await page.fill('input[name=status]', '418');
    await page.fill('textarea[name=body]', 'short and stout');
    await page.click('text=Answer so');
    await page.waitForSelector('text=Saved, and in force at once');
    const told = await fetch(url, { method: 'POST', body: '{}' });
    expect(told.status === 418 && (await told.text()) === 'short and stout', `it answered ${told.status}`);
    await page.locator('tbody a').last().click();
    await page.waitForSelector('h2:has-text("The request")');
    return complaints;
  },

  async 'its sender is chosen, and strangers are refused'(world) {
    const { page, complaints } = await visit(world, { at: world.empty });
    await page.click('nav >> text=Sources');
    await page.click('text=New endpoint');
    const url = await page.textContent('#url');
    await page.click('summary:has-text("Who sends to it")');
    await page.selectOption('select[name=sender]', 'stripe');
    await page.click('button:has-text("Choose")');
    await page.fill('input[name="secret.signing"]', 'whsec_not_theirs');
    await page.click('text=Take only what Stripe sent');
    await page.waitForSelector('text=Its sender is chosen');
    expect((await fetch(url, { method: 'POST', body: '{}' })).status === 401, 'a stranger is refused');
    return complaints;
  },

  async 'events appear without a reload, and hostile ones do nothing'(world) {
    const { page, complaints, go } = await visit(world);
    await go('/events');
    await page.waitForSelector('.live-on');
    await page.evaluate(() => (window.stayed = true));
    await publish(world, HOSTILE, { [HOSTILE]: HOSTILE }, HOSTILE);
    await page.locator('tbody td', { hasText: 'alert(1)' }).first().waitFor();
    expect(await page.evaluate(() => window.stayed), 'the page was loaded again');
    await page.locator('tbody tr').first().locator('a').first().click();
    await page.waitForSelector('h2:has-text("The way it took")');
    await page.locator('.timeline li').first().waitFor({ timeout: 5_000 }).catch(() => page.reload());
    expect((await page.locator('script').count()) === 1, 'only our own script is there');
    return complaints;
  },

  async 'a live list that is full leads on to exactly what it dropped'(world) {
    const { page, complaints, go } = await visit(world);
    await go('/events?type=full');
    await page.waitForSelector('.live-on');
    const subjects = Array.from({ length: 1040 }, (_, number) => `full/${number}`);
    for (let first = 0; first < subjects.length; first += 40) {
      await Promise.all(subjects.slice(first, first + 40).map((subject) => publish(world, 'full', {}, subject)));
    }
    await publish(world, 'full', {}, 'full/last');
    await page.locator('tbody td', { hasText: 'full/last' }).waitFor();
    const shown = () => page.$$eval('tbody tr', (rows) => rows.map((row) => row.cells[3].textContent));
    const live = await shown();
    expect(live.length === 1000, `it holds ${live.length}`);
    await page.click('.pager a');
    await page.waitForURL(/until=/);
    const both = new Set([...live, ...(await shown())]);
    const missing = subjects.filter((subject) => !both.has(subject));
    expect(missing.length === 0, `nobody is led to ${missing}`);
    return complaints;
  },

  async 'a live list in the background holds no connection, and catches up'(world) {
    const { page, context, complaints, go, base } = await visit(world);
    const turn = (tab, hidden) => tab.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    // More than a browser has connections to one host.
    for (let number = 0; number < 7; number += 1) {
      const tab = await context.newPage();
      await tab.goto(`${base}/events`);
      await tab.waitForSelector('.live-on');
      await turn(tab, true);
    }
    await go('/events?type=unseen');
    await page.waitForSelector('.live-on');
    await publish(world, 'unseen', {}, 'unseen/1');
    const shown = () => page.$$eval('tbody tr', (rows) => rows.map((row) => row.cells[3].textContent).join());
    await eventually('it is live', async () => (await shown()) === 'unseen/1');
    await turn(page, true);
    expect((await page.locator('.live-on').count()) === 0, 'it is not live out of sight');
    for (const number of [2, 3]) await publish(world, 'unseen', {}, `unseen/${number}`);
    await turn(page, false);
    await eventually('it has caught up', async () => (await shown()) === 'unseen/3,unseen/2,unseen/1');
    return complaints;
  },

  async 'a search finds what is in a payload, and a long list goes on by itself'(world) {
    const { page, complaints, go } = await visit(world);
    for (let number = 0; number < 70; number += 1) await publish(world, 'many', { number });
    await publish(world, 'one', { text: 'needle' });
    await go('/events');
    await page.fill('input[name=q]', 'needle');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=needle/);
    expect((await page.locator('tbody tr').count()) === 1, 'one is found');
    await go('/events?type=many');
    expect((await page.locator('tbody tr').count()) === 50, 'a page has 50 rows');
    await page.locator('.pager').scrollIntoViewIfNeeded();
    await eventually('the list goes on', async () => (await page.locator('tbody tr').count()) >= 70);
    // Where the next page cannot be had, a list does not look as if it were at its end.
    await page.route(/after=/, (route) => route.fulfill({ status: 401, contentType: 'text/html', body: '<p>no</p>' }));
    await go('/events?type=many');
    const asked = page.waitForResponse(/after=/);
    await page.locator('.pager').scrollIntoViewIfNeeded();
    await asked;
    await page.waitForSelector('.pager a[rel=next]:not([aria-busy])');
    return complaints;
  },

  async 'a route is tried while one writes, and saved'(world) {
    const { page, complaints, go } = await visit(world);
    await publish(world, 'order.paid', { total: 42 }, 'orders/7');
    await go('/try?from=own&to=app');
    await page.fill('textarea[name=when]', 'data.total > 50');
    await page.waitForSelector('#result >> text=filtered');
    await page.fill('textarea[name=when]', 'data.total > 40');
    await page.fill('textarea[name=map]', "{ 'sum': data.total }");
    await page.waitForSelector('#result >> text="sum": 42');
    await page.fill('textarea[name=map]', '{ ');
    await page.waitForSelector('#result >> text=line 1');
    await page.fill('textarea[name=map]', "{ 'sum': data.total }");
    await page.waitForSelector('#result >> text=goes through');
    // The file has a route of this name: what is tried is for it to take over.
    await page.click('text=Save the route');
    await page.waitForSelector('text=defined in the configuration file');
    return complaints;
  },

  async 'a route from another source is tried on one of its events'(world) {
    const { page, complaints, go } = await visit(world);
    await api(world.gateway.base, '/api/v1/sources', { name: 'other', publish: true });
    const event = { source: 'other', type: 'of.the.other', data: {} };
    const { id } = await api(world.gateway.base, '/api/v1/events', event);
    await publish(world, 'of.our.own');
    await go('/try?from=own&to=app');
    const offered = page.locator('[name=event]');
    expect((await offered.textContent()).includes('of.our.own'), 'those of the source are offered');
    await page.selectOption('select[name=from]', 'other');
    await page.waitForSelector('#root >> text=of.the.other');
    expect((await offered.inputValue()) === id, 'what is tried is what is chosen');
    expect(!(await offered.textContent()).includes('of.our.own'), 'what never comes along it is not offered');
    return complaints;
  },

  async 'dead letters are looked at, planned and tried again'(world) {
    const { page, complaints, go } = await visit(world);
    world.sink.status = 500;
    const before = await deliveries(world, 'dead');
    for (let number = 0; number < 3; number += 1) await publish(world, 'to.die', { number });
    await eventually('three are dead', async () => (await deliveries(world, 'dead')) === before + 3);
    world.sink.status = 200;
    await go('/dead-letters');
    await page.click('text=Try again…');
    await page.waitForSelector('h1:has-text("Try 3 again")');
    expect((await deliveries(world, 'dead')) === before + 3, 'a plan does nothing');
    await page.click('text=Try them again');
    await page.waitForSelector('text=dead letters are on their way again');
    await eventually('all are delivered', async () => (await deliveries(world, 'dead')) === 0);
    return complaints;
  },

  async 'a destination is paused and resumed, without scripts too'(world) {
    for (const scripts of [true, false]) {
      const { page, complaints, go } = await visit(world, { scripts });
      await go('/destinations/app');
      await page.fill('input[name=reason]', 'a deploy');
      await page.click('button:has-text("Pause")');
      await page.waitForSelector('.note:has-text("a deploy")');
      await page.click('button:has-text("Resume")');
      await page.waitForSelector('text=Resumed');
      expect(complaints.length === 0, complaints.join('; '));
    }
    return [];
  },

  async 'the panel works without scripts'(world) {
    const { page, complaints, go } = await visit(world, { scripts: false });
    await go('/try?route=own-app');
    await page.fill('textarea[name=when]', 'false');
    await page.click('button:has-text("Try")');
    await page.waitForSelector('#result >> text=filtered');
    return complaints;
  },

  async 'a connection is checked, and a stream compared without telling anything'(world) {
    const { page, complaints, go } = await visit(world);
    await go('/sources/shop');
    await page.click('button:has-text("Check credentials")');
    await page.waitForSelector('text=accepts the credentials');
    await page.click('button:has-text("Compare, dry run")');
    await page.waitForURL(/runs\/run_/);
    await eventually('it is done', async () => (await page.locator('.tag.good:has-text("done")').count()) > 0);
    await page.click('.crumbs a');
    await page.waitForSelector('h2:has-text("Last calls")');
    return complaints;
  },

  async 'a rejected request is shown with its reason and judged again'(world) {
    const { page, complaints, go } = await visit(world);
    const headers = { 'x-github-event': 'push', 'x-github-delivery': '1', 'x-hub-signature-256': 'sha256=00' };
    await fetch(`${world.gateway.base}/in/github`, { method: 'POST', headers, body: HOSTILE });
    await go('/requests');
    await page.locator('h2:has-text("One by one") ~ div a').first().click();
    await page.waitForSelector('.note');
    await page.click('text=Judge it again');
    await page.waitForSelector('.note');
    return complaints;
  },

  async 'a key is made, shown once, and revoked'(world) {
    const { page, complaints, go } = await visit(world);
    await go('/keys');
    await page.selectOption('select[name=scope]', 'read');
    await page.fill('input[name=note]', 'of the test');
    await page.click('text=Make a key');
    const text = await page.textContent('#made');
    expect(/^trk_\w+_\w{32,}$/.test(text), 'it is shown');
    await go('/keys');
    expect(!(await page.content()).includes(text), 'it is not shown again');
    const ask = () => fetch(`${world.gateway.base}/api/v1/sources`, { headers: { authorization: `Bearer ${text}` } });
    expect((await ask()).status === 200, 'it opens');
    await page.locator('tr', { hasText: 'of the test' }).locator('button').click();
    await page.waitForURL(/keys$/);
    expect((await ask()).status === 401, 'it opens nothing any more');
    const own = page.locator('tr', { hasText: 'the one you came in with' });
    expect((await own.locator('button').count()) === 0, 'nobody revokes their own key by a click');
    return complaints;
  },

  async 'an alert is opened, looked after and resolved, and the log says by whom'(world) {
    const { page, complaints, go } = await visit(world);
    world.sink.status = 500;
    const before = await deliveries(world, 'dead');
    await publish(world, 'to.alert', {});
    await eventually('it is dead', async () => (await deliveries(world, 'dead')) === before + 1);
    world.sink.status = 200;
    const alert = page.locator('tbody tr', { hasText: 'dead letters' }).filter({ has: page.locator('text=Acknowledge') });
    await eventually('the alert is open', async () => {
      await go('/alerts');
      return (await alert.count()) === 1;
    });
    await alert.locator('button:has-text("Acknowledge")').click();
    await page.locator('.tag:has-text("acknowledged")').first().waitFor();
    const taken = page.locator('tbody tr', { has: page.locator('.tag:has-text("acknowledged")') });
    expect((await taken.textContent()).includes('by '), 'it says who looks after it');
    await taken.locator('button:has-text("Resolve")').click();
    await page.locator('tbody tr .tag:has-text("resolved")').first().waitFor();
    await go('/audit');
    for (const did of ['alert.acknowledge', 'alert.resolve']) {
      await page.locator('tbody tr', { hasText: did }).first().waitFor();
    }
    return complaints;
  },

  async 'everything can be reached by the keyboard'(world) {
    const { page, complaints, go } = await visit(world);
    await go('/destinations');
    await page.keyboard.press('Tab');
    expect((await page.evaluate(() => document.activeElement.className)) === 'skip', 'the first is the way past the menu');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect((await page.evaluate(() => document.activeElement.closest('main') !== null)), 'it leads to the content');
    for (let step = 0; step < 20; step += 1) {
      if ((await page.evaluate(() => document.activeElement.textContent)) === 'Pause') break;
      await page.keyboard.press('Tab');
    }
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    expect(outline !== 'none', 'one sees where one is');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=Paused: what it is owed');
    await page.click('button:has-text("Resume")');
    return complaints;
  },
};
