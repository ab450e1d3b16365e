"""Personal data in forms, tickets, e-mails, tables, logs and chats of sixteen locales, for a look at what is missed.

The texts are in the styles of the public labelled sets and were written without looking at the patterns. Values are
drawn by a seed, and their check digits are mostly wrong, as they are in those sets. An address without a label
(``{place}``) is not labelled: it is not claimed. Names are labelled, and only claimed with a language model:
``python -m benchmarks.held_out_personal [MODEL]`` prints all shares. :func:`held_out` gives labelled texts,
:func:`harmless` texts that hold no personal data.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Labels = list[tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Locale:
    """What is written in one country.

    In forms ``#`` is a digit, ``%`` one from 1 to 9, ``?`` a capital.
    """

    phones: tuple[str, ...]
    ids: tuple[str, ...]
    plates: tuple[str, ...]
    addresses: tuple[str, ...]
    births: tuple[str, ...]
    iban: str
    names: tuple[str, ...]
    domain: str
    texts: tuple[str, ...]
    harmless: tuple[str, ...]


LOCALES: dict[str, Locale] = {
    "en_US": Locale(
        ("(2##) 2##-####", "3##-4##-####", "4##.5##.####", "+1-6##-7##-####", "001-7##-8##-####x####", "8##2##3###", "+1 9## 2## ####", "1-2##-3##-####"),
        ("%##-##-####",),
        ("???-####", "%???###", "### ???"),
        ("4## Maple Avenue, Springfield, IL 62%##", "##0 W 5th St Apt 4B, Austin, TX 787##", "1### Oakwood Dr, Suite 200, Denver CO 802##"),
        ("0%/1%/19##", "March 1#, 19##", "19##-0%-1#", "1# Apr 19##"),
        "", ("Harold Finch", "Keisha Brown", "Maria Gonzalez"), "example-mail.com",
        (
            "Hi team,\n\nMy SSN is {id} and my date of birth is {birthdate}. Please call me back at {phone} or write to {email}.\n\nThanks,\n{name}",
            "Patient: {name}\nDOB: {birthdate}\nMRN: 00482\nHome Phone: {phone}\nMailing Address: {address}\nSocial Security Number: {id}",
            "I want to increase the limit on my card # {card} for a certain duration of time. Is it possible?",
            "{name}\n{place}\n{phone} office\n{email}\nlicense plate {plate}",
            "Ticket #4471: customer says the site {url} keeps blocking {ip}. Callback: {phone}.",
            "Driver's license {licence} was presented, along with U.S. passport no. {passport}.",
            "{phone}, {email}, {name}",
            "please update my billing address to {address}",
        ),
        ("The invoice 4471-2291-03 totals $1,204.50 and is due on 05/14/2026.", "Version 10.4.22.1 shipped on March 3, 2026; see section 4.2.1.7.", "SKU 00412-88-1290, lot 20240917, UPC 036000291452.", "We sold 4,155,550 units at a 12.5% margin in FY2025-2026."),
    ),
    "en_GB": Locale(
        ("020 7### ####", "07### ######", "+44 7### ######", "01## ### ####", "+44 (0)20 8### ####", "0161 ### ####"),
        ("AB ## ## ## C", "JK######D", "CE ###### A"),
        ("??## ???", "??##???"),
        ("1# Kensington High Street, London W8 4PT", "Flat 2, 4# Mill Lane, Leeds LS6 3AB"),
        ("1#/0%/19##", "1# June 19##", "2# Oct 19##"),
        "GB##????##############", ("Oliver Whitmore", "Priya Shah"), "example.co.uk",
        (
            "Dear Sir or Madam,\nMy National Insurance number is {id} and I was born on {birthdate}. You can ring me on {phone}.",
            "Vehicle reg {plate} was seen near {place}; registered keeper reachable on {phone}.",
            "Please refund {iban}, the account of {name}. Mob: {phone}",
            "NHS number: {nhs}. GP letter to {place}.",
            "Passport {passport} expires in May. E-mail {email}",
        ),
        ("Council tax band D, account 4471 2290, £1,204.50 per annum.", "The 07:45 from platform 12 was 25 minutes late on 14/05/2026.", "Part no. 07700-9001-23 is out of stock.", "See clause 3.2.1.4 of the 2019 Act."),
    ),
    "de_DE": Locale(
        ("0%0 #######", "01## ########", "+49 1## #######", "+49 (0)89 ######", "0%##/######", "(0%0) ### ## ##", "01##-#######", "+49(0)%###-######"),
        ("## ### ### ###", "###########"),
        ("B-?? ####", "HH-? ###", "M-??#####"),
        ("Lindenstraße 1#, 10969 Berlin", "Am Markt %, 28195 Bremen", "Hauptstr. 4#a, D-80331 München"),
        ("1#.0%.19##", "2#. März 19##", "0%.1#.##"),
        "DE## #### #### #### #### ##", ("Jürgen Schäfer", "Anke Weiß"), "beispiel.de",
        (
            "Sehr geehrte Damen und Herren,\nmeine Steuer-ID lautet {id}, geboren am {birthdate}. Telefonisch erreichen Sie mich unter {phone}.\nMit freundlichen Grüßen\n{name}",
            "Name: {name}\nGeburtsdatum: {birthdate}\nAnschrift: {address}\nTel.: {phone}\nE-Mail: {email}\nIBAN: {iban}",
            "Bitte überweisen Sie auf {iban}, danke. Rückfragen an {email} oder {phone}",
            "Das Fahrzeug mit dem amtlichen Kennzeichen {plate} steht vor {place}",
            "Reisepassnummer: {passport}, Führerscheinnummer {licence}",
            "Meine Handynummer ist {phone} und ich wohne in der {address}.",
        ),
        ("Rechnung Nr. 2024-00817 über 1.249,00 EUR, fällig am 14.05.2026.", "Aktenzeichen 12 O 345/21, Abschnitt 4.3.2.1.", "Die Auftragsnummer 0301234567 wurde am 3. März 2026 bearbeitet.", "Kundennummer 4711 0815 22, Bestellnr.: 030-9018-20."),
    ),
    "fr_FR": Locale(
        ("0% ## ## ## ##", "0%.##.##.##.##", "+33 % ## ## ## ##", "06########", "+33 (0)6 ## ## ## ##", "0033 1 ## ## ## ##"),
        ("1 %# 0% 7# ### ### ##", "2%#0%7########"),
        ("??-###-??", "?? ### ??"),
        ("1# rue de la Paix, 75002 Paris", "4# avenue Jean Jaurès, 69007 Lyon"),
        ("1#/0%/19##", "1# mars 19##", "2# août 19##"),
        "FR## #### #### #### #### #### ###", ("Hélène Dubois", "Émile Lefèvre"), "exemple.fr",
        (
            "Bonjour,\nJe suis né le {birthdate}, mon numéro de sécurité sociale est le {id}. Vous pouvez me joindre au {phone}.\nCordialement, {name}",
            "Nom : {name}\nDate de naissance : {birthdate}\nAdresse : {address}\nTéléphone : {phone}\nCourriel : {email}",
            "Merci de virer le remboursement sur {iban}.",
            "Le véhicule immatriculé {plate} appartient à {name}, joignable au {phone}",
            "Passeport n° {passport}, permis de conduire n° {licence}",
            "J'habite au {address} depuis 2019, écrivez-moi à {email}",
        ),
        ("Facture n° 2024-00817 d'un montant de 1 249,00 €, échéance le 14/05/2026.", "Commande 06 12 34, lot 20240917, réf. 98.76.54.", "Article L. 121-20-12 du code, section 4.3.2.1.", "Numéro de dossier 0612345678 clos le 3 mars 2026."),
    ),
    "es_ES": Locale(
        ("6## ### ###", "9# ### ## ##", "+34 6## ## ## ##", "6########", "+34 9## ### ###", "9##-###-###"),
        ("########?", "X#######?", "##.###.###-?"),
        ("#### ???", "####-???"),
        ("Calle Mayor 1#, 28013 Madrid", "Av. Diagonal 4##, 3º 2ª, 08036 Barcelona"),
        ("1#/0%/19##", "1# de marzo de 19##"),
        "ES## #### #### #### #### ####", ("Lucía Fernández", "Íñigo Álvarez"), "ejemplo.es",
        (
            "Hola, soy {name}, nacida el {birthdate}, con DNI {id}. Mi teléfono es {phone} y mi correo {email}.",
            "Nombre: {name}\nNIF: {id}\nFecha de nacimiento: {birthdate}\nDomicilio: {address}\nMóvil: {phone}",
            "Hagan el ingreso en la cuenta {iban} a nombre de {name}.",
            "El coche con matrícula {plate} está aparcado en doble fila, llamen al {phone}.",
            "Pasaporte {passport}; vivo en {address}.",
            "Mi tarjeta {card} no funciona, ¿me podéis ayudar?",
        ),
        ("Factura 2024-00817 por 1.249,00 €, vence el 14/05/2026.", "Pedido nº 612345678 enviado el 3 de marzo de 2026.", "Apartado 4.3.2.1 del pliego, expediente 91/2024.", "Se vendieron 4.155.550 unidades."),
    ),
    "it_IT": Locale(
        ("3## #######", "0% ########", "+39 3## ### ####", "3##-#######", "+39 0# #### ####", "0##/######"),
        ("RSSMRA%#A1#H501?", "VRDLGI%#C5#F205?"),
        ("?? ### ??", "??###??"),
        ("Via Garibaldi 1#, 20121 Milano (MI)", "Corso Vittorio Emanuele II 4#, 10123 Torino"),
        ("1#/0%/19##", "1# marzo 19##"),
        "IT## ? ##### ##### ############", ("Giulia Rossi", "Niccolò Bianchi"), "esempio.it",
        (
            "Buongiorno, sono nata il {birthdate}, codice fiscale {id}. Il mio cellulare è {phone}, email {email}.",
            "Nome: {name}\nC.F.: {id}\nData di nascita: {birthdate}\nIndirizzo: {address}\nTel: {phone}",
            "Bonifico su IBAN {iban} intestato a {name}",
            "L'auto targata {plate} è di {name}, residente in {address}",
            "Passaporto n. {passport}, patente di guida {licence}",
            "Chiamatemi al {phone} dopo le 18",
        ),
        ("Fattura n. 2024/00817 di € 1.249,00, scadenza 14/05/2026.", "Ordine 3331234567 spedito il 3 marzo 2026.", "Capitolo 4.3.2.1, protocollo 06/12345.", "Il treno 9514 parte alle 18.30 dal binario 12."),
    ),
    "pt_BR": Locale(
        ("(##) 9####-####", "+55 11 9####-####", "11 9########", "(21) ####-####", "+55 (31) 9 ####-####"),
        ("###.###.###-##", "###########"),
        ("???-####", "???#?##"),
        ("Rua das Flores, 1#, Centro, São Paulo - SP, 01310-1##", "Av. Atlântica, 4##, apto 50, Rio de Janeiro"),
        ("1#/0%/19##", "1# de março de 19##"),
        "", ("João da Conceição", "Letícia Souza"), "exemplo.com.br",
        (
            "Olá, meu CPF é {id}, nasci em {birthdate} e meu telefone é {phone}.",
            "Nome: {name}\nCPF: {id}\nData de nascimento: {birthdate}\nEndereço: {address}\nCelular: {phone}\nE-mail: {email}",
            "O veículo de placa {plate} foi multado; contato {phone}",
            "Moro na {address}. Me liga no {phone}",
            "Cartão {card} bloqueado, e-mail {email}",
        ),
        ("Nota fiscal 000.817 no valor de R$ 1.249,00, vencimento 14/05/2026.", "Pedido 11987654321 entregue em 3 de março de 2026.", "Seção 4.3.2.1 do contrato 2024/91.", "Foram vendidas 4.155.550 unidades."),
    ),
    "nl_NL": Locale(
        ("06-########", "06 ## ## ## ##", "+31 6 ########", "020-#######", "+31 (0)20 ### ####", "0## ### ####"),
        ("#########",),
        ("??-##-??", "##-???-#", "?-###-??"),
        ("Keizersgracht 1##, 1015 CJ Amsterdam", "Dorpsstraat 4#, 3512 KJ Utrecht"),
        ("1#-0%-19##", "1# maart 19##"),
        "NL## ???? #### #### ##", ("Sanne de Vries", "Joost van den Berg"), "voorbeeld.nl",
        (
            "Beste, mijn BSN is {id} en ik ben geboren op {birthdate}. Bel me op {phone}.",
            "Naam: {name}\nGeboortedatum: {birthdate}\nAdres: {address}\nTelefoon: {phone}\nE-mail: {email}\nRekening: {iban}",
            "De auto met kenteken {plate} staat voor {place}",
            "Ik woon op {address}, mail naar {email}.",
            "Paspoortnummer {passport}, rijbewijsnummer {licence}",
        ),
        ("Factuur 2024-00817 van € 1.249,00, vervalt op 14-05-2026.", "Bestelling 0612345678 verzonden op 3 maart 2026.", "Hoofdstuk 4.3.2.1, dossier 06-2024.", "Trein 3021 vertrekt om 18.30 van spoor 12."),
    ),
    "pl_PL": Locale(
        ("6## ### ###", "+48 5## ### ###", "22 ### ## ##", "5##-###-###", "(22) ### ## ##"),
        ("###########",),
        ("?? #####", "??? ##??"),
        ("ul. Marszałkowska 1#/4, 00-590 Warszawa", "os. Kolorowe 4#, 31-938 Kraków"),
        ("1#.0%.19##", "1# marca 19##", "1#-0%-19##"),
        "PL## #### #### #### #### #### ####", ("Małgorzata Nowak", "Krzysztof Wiśniewski"), "przyklad.pl",
        (
            "Dzień dobry, mój PESEL to {id}, ur. {birthdate}. Proszę o telefon pod numer {phone}.",
            "Imię i nazwisko: {name}\nData urodzenia: {birthdate}\nAdres zamieszkania: {address}\nTelefon: {phone}\nE-mail: {email}",
            "Proszę o przelew na konto {iban}",
            "Samochód o numerze rejestracyjnym {plate} parkuje przy {place}",
            "Numer paszportu {passport}, nr prawa jazdy {licence}",
            "Mieszkam pod adresem {address}, kom. {phone}",
        ),
        ("Faktura nr 2024/00817 na kwotę 1 249,00 zł, termin 14.05.2026.", "Zamówienie 601234567 wysłano 3 marca 2026 r.", "Rozdział 4.3.2.1, sygn. akt 22/2024.", "Pociąg 3021 odjeżdża o 18.30 z peronu 12."),
    ),
    "sv_SE": Locale(
        ("070-### ## ##", "08-### ### ##", "+46 70 ### ## ##", "0%#-### ## ##", "+46 (0)8 ### ## ##", "0701234%##"),
        ("%#0%1#-####", "19%#0%1#-####", "%#0%2#+####", "19%#0%1#####"),
        ("??? ###", "??? ##?"),
        ("Storgatan 1#, 114 55 Stockholm", "Kungsgatan 4# lgh 1102, 411 19 Göteborg"),
        ("19##-0%-1#", "1# mars 19##"),
        "SE## #### #### #### #### ####", ("Åsa Lindqvist", "Björn Öberg"), "exempel.se",
        (
            "Hej, mitt personnummer är {id}. Ring mig på {phone} eller mejla {email}.",
            "Namn: {name}\nFödelsedatum: {birthdate}\nAdress: {address}\nMobil: {phone}\nPersonnummer: {id}",
            "Sätt in pengarna på {iban}, tack!",
            "Bilen med registreringsnummer {plate} står på {place}",
            "Jag bor på {address} och är född {birthdate}",
            "Passnummer {passport}, körkortsnummer {licence}",
        ),
        ("Faktura 2024-00817 på 1 249,00 kr, förfaller 2026-05-14.", "Order 0701234567 skickades den 3 mars 2026.", "Kapitel 4.3.2.1, diarienr 08-2024.", "Tåg 3021 avgår 18.30 från spår 12."),
    ),
    "fi_FI": Locale(
        ("040 ### ####", "+358 40 ### ####", "09 #### ###", "050-#######", "+358 (0)9 ### ####"),
        ("1#0%%#-###?", "2#1%%#-####"),
        ("???-###", "??-##"),
        ("Mannerheimintie 1#, 00100 Helsinki", "Hämeenkatu 4# B 12, 33200 Tampere"),
        ("1#.%.19##", "1#. maaliskuuta 19##"),
        "FI## #### #### #### ##", ("Matti Virtanen", "Päivi Mäkelä"), "esimerkki.fi",
        (
            "Hei, henkilötunnukseni on {id} ja puhelinnumeroni {phone}.",
            "Nimi: {name}\nSyntymäaika: {birthdate}\nOsoite: {address}\nPuhelin: {phone}\nSähköposti: {email}",
            "Maksakaa tilille {iban}, kiitos.",
            "Auton rekisterinumero on {plate}, omistajan numero {phone}",
            "Olen syntynyt {birthdate} ja asun osoitteessa {address}.",
        ),
        ("Lasku 2024-00817, 1 249,00 €, eräpäivä 14.5.2026.", "Tilaus 0401234567 lähetettiin 3. maaliskuuta 2026.", "Luku 4.3.2.1, asia 40/2024.", "Juna 3021 lähtee klo 18.30 raiteelta 12."),
    ),
    "tr_TR": Locale(
        ("05## ### ## ##", "+90 5## ### ## ##", "0(5##) ### ## ##", "(0212) ### ## ##", "05#########"),
        ("%##########",),
        ("34 ?? ####", "06 ??? ##", "35??###"),
        ("Atatürk Cad. No: 1#, Kadıköy, 34710 İstanbul", "Cumhuriyet Mah. 4# Sok. No:5 D:7 Çankaya/Ankara"),
        ("1#.0%.19##", "1# Mart 19##", "1#/0%/19##"),
        "TR## #### #### #### #### #### ##", ("İpek Yılmaz", "Çağrı Şahin"), "ornek.com.tr",
        (
            "Merhaba, TC kimlik numaram {id}, doğum tarihim {birthdate}. Bana {phone} numarasından ulaşabilirsiniz.",
            "Ad Soyad: {name}\nT.C. Kimlik No: {id}\nDoğum Tarihi: {birthdate}\nAdres: {address}\nTelefon: {phone}\nE-posta: {email}",
            "Lütfen {iban} numaralı hesaba gönderin.",
            "{plate} plakalı araç {place} önünde park halinde.",
            "Cep telefonum {phone}, mailim {email}",
        ),
        ("2024-00817 numaralı fatura 1.249,00 TL, son ödeme 14.05.2026.", "Sipariş no 05321234567, 3 Mart 2026.", "Bölüm 4.3.2.1, dosya 212/2024.", "Toplam 4.155.550 adet satıldı."),
    ),
    "ja_JP": Locale(
        ("090-####-####", "03-####-####", "+81 90-####-####", "080########", "０９０－####－####", "(03)####-####"),
        ("############", "#### #### ####"),
        ("品川 330 あ ##-##", "横浜 500 さ 1#-3#"),
        ("東京都千代田区丸の内1-%-1", "〒150-0002 東京都渋谷区渋谷2丁目2#番1号"),
        ("19##年%月1#日", "昭和5#年%月1#日", "19##/0%/1#"),
        "", ("山田太郎", "佐藤花子"), "example.jp",
        (
            "山田です。電話番号は{phone}、メールは{email}です。よろしくお願いします。",
            "氏名：{name}\n生年月日：{birthdate}\n住所：{address}\n電話：{phone}\nマイナンバー：{id}",
            "私のマイナンバーは{id}で、{birthdate}生まれです。",
            "ナンバープレートは{plate}です。",
            "カード番号{card}が使えません。携帯{phone}まで連絡ください",
            "パスポート番号：{passport}",
        ),
        ("請求書番号2024-00817、金額124,900円、支払期限は2026年5月14日です。", "注文番号0901234567は3月3日に発送しました。", "第4.3.2.1節をご覧ください。", "新幹線のぞみ225号は18時30分発です。"),
    ),
    "ko_KR": Locale(
        ("010-####-####", "02-###-####", "+82 10-####-####", "010########", "031-###-####", "010 #### ####"),
        ("%#0%1#-1######", "%#1#2#-2######"),
        ("12가 34##", "123나 4%##"),
        ("서울특별시 강남구 테헤란로 1#", "부산광역시 해운대구 우동 4#번길 1#, 101동 302호"),
        ("19##년 %월 1#일", "19##-0%-1#", "19##.0%.1#"),
        "", ("김민수", "이서연"), "example.kr",
        (
            "안녕하세요, 제 전화번호는 {phone}이고 이메일은 {email}입니다.",
            "성명: {name}\n생년월일: {birthdate}\n주소: {address}\n휴대폰: {phone}\n주민등록번호: {id}",
            "주민번호 {id}로 조회해 주세요. 연락처 {phone}",
            "차량번호 {plate} 주차 위반입니다.",
            "여권번호 {passport}, 카드번호 {card}",
        ),
        ("청구서 번호 2024-00817, 금액 124,900원, 납부 기한 2026년 5월 14일.", "주문번호 01012345678은 3월 3일에 발송되었습니다.", "4.3.2.1절을 참조하세요.", "KTX 225 열차는 18시 30분에 출발합니다."),
    ),
    "zh_CN": Locale(
        ("138########", "+86 139 #### ####", "010-########", "186-####-####", "021 #### ####"),
        ("11010519%#0%1#####", "44030619%#1#0%###X"),
        ("京A#####", "沪B·12###", "粤B D####"),
        ("北京市朝阳区建国路8#号", "上海市浦东新区世纪大道1##号2楼301室"),
        ("19##年%月1#日", "19##-0%-1#"),
        "", ("王小明", "李娜"), "example.cn",
        (
            "你好，我的手机号是{phone}，邮箱是{email}，谢谢。",
            "姓名：{name}\n出生日期：{birthdate}\n身份证号：{id}\n地址：{address}\n电话：{phone}",
            "我的身份证号码为{id}，请核实。",
            "车牌号{plate}的车主请速来移车，电话{phone}",
            "护照号码：{passport}，银行卡号：{card}",
            "我住在{address}，{birthdate}出生。",
        ),
        ("发票号2024-00817，金额1249.00元，到期日2026年5月14日。", "订单号13812345678已于3月3日发货。", "请参阅第4.3.2.1节。", "高铁G225次18点30分发车。"),
    ),
    "ar_SA": Locale(
        ("05########", "+966 5# ### ####", "٠٥٠١٢٣٤####", "011 ### ####", "00966 5########"),
        ("1#########", "2#########"),
        ("أ ب ج 12##", "ر س ل 4%##"),
        ("شارع الملك فهد، مبنى 1#، الرياض 12211", "حي النخيل، شارع 4#، جدة 23432"),
        ("1#/0%/19##", "19##-0%-1#", "1# مارس 19##"),
        "SA## #### #### #### #### ####", ("محمد العتيبي", "فاطمة الزهراني"), "example.sa",
        (
            "مرحبا، رقم جوالي {phone} وبريدي {email}.",
            "الاسم: {name}\nتاريخ الميلاد: {birthdate}\nرقم الهوية: {id}\nالعنوان: {address}\nالهاتف: {phone}",
            "حولوا المبلغ إلى {iban} من فضلكم",
            "رقم اللوحة {plate}، للتواصل {phone}",
            "رقم جواز السفر {passport} ورقم الهوية الوطنية {id}",
        ),
        ("الفاتورة رقم 2024-00817 بمبلغ 1249 ريال، تستحق في 14/05/2026.", "رقم الطلب 0501234567 شحن في 3 مارس.", "انظر القسم 4.3.2.1.", "القطار 3021 يغادر الساعة 18:30."),
    ),
    "hi_IN": Locale(
        ("98########", "+91 98### #####", "0%1-########", "+91-9#########", "98### #####", "९८७६५४####"),
        ("#### #### ####", "?????####?"),
        ("MH 12 AB ####", "DL%C??####"),
        ("मकान नंबर 1#, गांधी मार्ग, दिल्ली 110006", "Flat 4#, MG Road, Bengaluru 560001"),
        ("1#/0%/19##", "1# मार्च 19##", "1#-0%-19##"),
        "", ("राहुल शर्मा", "Anjali Nair"), "example.in",
        (
            "नमस्ते, मेरा मोबाइल नंबर {phone} है और ईमेल {email} है।",
            "नाम: {name}\nजन्म तिथि: {birthdate}\nआधार: {id}\nपता: {address}\nफोन: {phone}",
            "My Aadhaar number is {id}, kindly update my mobile {phone}",
            "गाड़ी नंबर प्लेट {plate} है, संपर्क {phone}",
            "पासपोर्ट {passport} और पैन {pan}",
        ),
        ("चालान संख्या 2024-00817, राशि ₹1,24,900, अंतिम तिथि 14/05/2026.", "ऑर्डर नंबर 9876543210 भेजा गया।", "Section 4.3.2.1 देखें।", "ट्रेन 12951 शाम 18:30 बजे चलती है।"),
    ),
}  # fmt: skip

FORMATS = (
    "id,full_name,email,phone,dob\n1,{name},{email},{phone},{birthdate}\n2,{name},{email},{phone},{birthdate}",
    "Name;Telefon;E-Mail;IBAN\n{name};{phone};{email};{de_iban}",
    '{{"customer": {{"contact": {{"phone": "{phone}", "email": "{email}"}}, "dateOfBirth": "{birthdate}", "cardNumber": "{card}"}}}}',
    '{{"user_id": 8123, "ip_address": "{ip}", "mac_address": "{mac}", "passport_number": "{passport}"}}',
    "<Customer><Phone>{phone}</Phone><Email>{email}</Email><BirthDate>{birthdate}</BirthDate><PassportNo>{passport}</PassportNo></Customer>",
    "2026-03-04T10:12:13Z INFO auth login user={email} ip={ip} session=8f3a",
    '{ip} - - [04/Mar/2026:10:12:13 +0000] "GET /account?email={email} HTTP/1.1" 200 2326',
    "[10:12] agent: can I have your number?\n[10:13] customer: {phone}\n[10:13] customer: and mail {email}",
    "INSERT INTO customers (name, phone, email, dob) VALUES ('{name}', '{phone}', '{email}', '{birthdate}');",
    "BEGIN:VCARD\nFN:{name}\nTEL;TYPE=CELL:{phone}\nEMAIL:{email}\nBDAY:{birthdate}\nEND:VCARD",
    "| name | phone | e-mail |\n|---|---|---|\n| {name} | {phone} | {email} |",
    "customer:\n  phone: {phone}\n  e_mail: {email}\n  license_plate: {plate}\n  date_of_birth: {birthdate}",
    "phone={phone}&email={email}&cc={card}",
    "From: {name} <{email}>\nTo: the support team\nSubject: my card\n\nMy card number is {card}, CVV 123. Call {phone}.\n-- \n{name} | {phone} | {url}",
    "connection from {ipv6} (mac {mac}) refused; gateway {ip}",
    ":50K:/{de_iban}\n{name}\n:59:/{de_iban}\n{name}",
)  # fmt: skip
HARMLESS_FORMATS = (
    "sku,qty,price,ean\n00412-88,12,19.99,4006381333931\n00412-89,3,249.00,4006381333948",
    '{{"order_id": "4155550132", "amount": 124900, "created": 1699999999, "version": "10.4.22.1"}}',
    "2026-03-04T10:12:13Z INFO build 20260304.7 commit 9fceb02d0ae598e95dc970b74767f19372d61af8 took 12.345s",
    "Tracking number 1Z999AA10123456784, batch 2024-09-17-003, GTIN 00012345678905.",
    "CREATE TABLE t (id BIGINT DEFAULT 9007199254740991); -- 555 1234 rows",
    "def f(x): return x[::2] + 0xDEADBEEF + 1_000_000_007",
    "| year | revenue |\n|---|---|\n| 2024 | 4 155 550 |\n| 2025 | 5 020 113 |",
    "Flight LH 0456 seat 32A gate 12, booking reference QX7T2P, 14:05 - 18:30.",
    "pip install numpy==1.26.4 torch==2.3.1+cu121 && python3.11 -m http.server 8000",
    "ISBN 978-3-16-148410-0, DOI 10.1000/182, arXiv:2103.00020, RFC 2822, ISO 8601-1:2019",
)  # fmt: skip


def _drawn(rng: random.Random, form: str) -> str:
    signs = {"#": string.digits, "%": "123456789", "?": string.ascii_uppercase}
    return "".join(rng.choice(signs[sign]) if sign in signs else sign for sign in form)


_KINDS = {"id": "nationalid", "licence": "nationalid", "nhs": "nationalid", "pan": "nationalid", "de_iban": "iban", "ipv6": "ip", "place": ""}  # fmt: skip


def _value(rng: random.Random, slot: str, locale: Locale) -> tuple[str, str]:
    """A value for a slot of a text, and its kind; the kind of a name is empty."""
    forms: dict[str, Callable[[], str]] = {
        "phone": lambda: rng.choice(locale.phones),
        "id": lambda: rng.choice(locale.ids),
        "plate": lambda: rng.choice(locale.plates),
        "place": lambda: rng.choice(locale.addresses),
        "address": lambda: rng.choice(locale.addresses),
        "birthdate": lambda: rng.choice(locale.births),
        "iban": lambda: locale.iban,
        "de_iban": lambda: "DE####################",
        "name": lambda: rng.choice(locale.names),
        "email": lambda: rng.choice(("{0}.%{1}@", "?{0}##@", "{0}_{1}@", "{0}-{1}+tag@")).format("kim", "lane").lower() + locale.domain,
        "card": lambda: "",
        "ip": lambda: "%%.1##.%#.2%",
        "ipv6": lambda: f"2001:db8:{rng.getrandbits(16):x}:{rng.getrandbits(16):x}::{rng.getrandbits(16):x}",
        "mac": lambda: ":".join(f"{rng.getrandbits(8):02x}" for _ in range(6)),
        "url": lambda: rng.choice(("https://www.%/u/kim#", "http://%/~kim", "www.%/kim")).replace("%", locale.domain),
        "passport": lambda: rng.choice(("?%#######", "??#######", "%########")),
        "licence": lambda: rng.choice(("?###-####-####", "??######?", "##########")),
        "nhs": lambda: rng.choice(("### ### ####", "##########")),
        "pan": lambda: "???P?####?",
    }  # fmt: skip
    form = forms[slot]()
    return (_card(rng) if slot == "card" else _drawn(rng, form)), _KINDS.get(slot, slot)


def _card(rng: random.Random) -> str:
    from stdnum import luhn

    start = rng.choice(("4", "51", "34", "6011", "2221"))
    length = 15 if start == "34" else 16
    number = start + "".join(rng.choices(string.digits, k=length - 1 - len(start)))
    number += str(luhn.calc_check_digit(number))
    return rng.choice((number, " ".join(re.findall(".{1,4}", number)), "-".join(re.findall(".{1,4}", number))))


def _filled(rng: random.Random, text: str, locale: Locale) -> tuple[str, Labels]:
    parts: list[str] = []
    labels: Labels = []
    length = 0
    for piece in re.split(r"(\{\w+\})", text):
        written, kind = (
            _value(rng, piece[1:-1], locale)
            if re.fullmatch(r"\{\w+\}", piece)
            else (piece.replace("{{", "{").replace("}}", "}"), "")
        )
        if kind:
            labels.append((length, length + len(written), kind))
        parts.append(written)
        length += len(written)
    return "".join(parts), labels


def held_out(count: int, seed: int) -> Iterator[tuple[str, str, Labels]]:
    """Locale (or "format"), text and labels."""
    rng = random.Random(seed)
    for number in range(count):
        code = rng.choice(sorted(LOCALES))
        text = rng.choice(FORMATS if number % 4 == 3 else LOCALES[code].texts)
        yield (code if number % 4 != 3 else "format", *_filled(rng, text, LOCALES[code]))


def harmless() -> Iterator[str]:
    """Texts that hold no personal data, of each locale and format once."""
    for locale in LOCALES.values():
        yield from locale.harmless
    yield from (text.replace("{{", "{").replace("}}", "}") for text in HARMLESS_FORMATS)
